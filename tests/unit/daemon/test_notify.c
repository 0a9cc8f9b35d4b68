/* SPDX-License-Identifier: BSD-2-Clause */
/* notify.c: what the service manager is told, and when the watchdog is fed. Workers are fakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "conn/worker.h"
#include "tests/lib/heard.h"

static uint64_t clock_ms; /* moved by the test */
static bool alive[3];     /* workers that have answered */
static unsigned asked[3];
static struct worker crew[3];

static uint64_t test_clock_ms(void)
{
	return clock_ms;
}

static uint64_t test_clock_us(void)
{
	return clock_ms * 1000 + 7;
}

static bool fake_answered(const struct worker *w)
{
	return alive[w - crew];
}

static void fake_ask(struct worker *w)
{
	asked[w - crew]++;
}

#define monotonic_ms    test_clock_ms
#define monotonic_us    test_clock_us
#define worker_answered fake_answered
#define worker_ask      fake_ask
#include "daemon/notify.c"

static char dir[] = "/tmp/kedge-notify-XXXXXX", path[64];
static int manager = -1;

static int begin(void **state)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/notify", dir);
	strcpy(un.sun_path, path);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return bind(manager, (struct sockaddr *)&un, sizeof(un));
}

static int end(void **state)
{
	(void)state;
	close(manager);
	unlink(path);
	return rmdir(dir);
}

static int setup(void **state)
{
	(void)state;
	heard_begin();
	setenv("NOTIFY_SOCKET", path, 1);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	clock_ms = 1000;
	memset(alive, true, sizeof(alive));
	memset(asked, 0, sizeof(asked));
	return 0;
}

/* The next thing that the manager was told. */
static void told(const char *text)
{
	char got[512] = "";

	assert_true(recv(manager, got, sizeof(got) - 1, 0) > 0);
	assert_string_equal(got, text);
}

static void told_nothing(void)
{
	char byte;

	assert_int_equal(recv(manager, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void each_state_is_told(void **state)
{
	(void)state;
	notify_ready("1 listeners, 2 workers");
	told("READY=1\nSTATUS=1 listeners, 2 workers");
	notify_reloading();
	told("RELOADING=1\nMONOTONIC_USEC=1000007"); /* the same clock as the manager's */
	notify_stopping("draining", 30000);
	told("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=40000000");
	notify_stopping("shutting down", UINT32_MAX + 10ull); /* no limit of 32 bits in between */
	told("STOPPING=1\nSTATUS=shutting down\nEXTEND_TIMEOUT_USEC=4294977305000");
}

static void nobody_is_told_without_a_manager(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	notify_ready("x");
	notify_reloading();
	notify_stopping("x", 1);
	told_nothing();
}

static void without_a_watchdog_nothing_is_due(void **state)
{
	struct watchdog dog;

	(void)state;
	watchdog_start(&dog);
	assert_int_equal(watchdog_wait_ms(&dog), -1);
	watchdog_run(&dog, crew, 3);
	assert_int_equal(asked[0], 0);
	told_nothing();
	/* One that is meant for another process. */
	setenv("WATCHDOG_USEC", "4000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	watchdog_start(&dog);
	assert_int_equal(watchdog_wait_ms(&dog), -1);
}

static void it_is_fed_four_times_a_period(void **state)
{
	struct watchdog dog;

	(void)state;
	setenv("WATCHDOG_USEC", "4000000", 1);
	watchdog_start(&dog);
	assert_int_equal(watchdog_wait_ms(&dog), 0); /* at once */
	for (int i = 0; i < 3; i++) {
		watchdog_run(&dog, crew, 3);
		told("WATCHDOG=1");
		for (int w = 0; w < 3; w++)
			assert_int_equal(asked[w], i + 1);
		assert_int_equal(watchdog_wait_ms(&dog), 1000);
		clock_ms += 999;
		assert_int_equal(watchdog_wait_ms(&dog), 1);
		watchdog_run(&dog, crew, 3); /* not yet */
		told_nothing();
		clock_ms++;
		assert_int_equal(watchdog_wait_ms(&dog), 0);
	}
}

static void a_worker_that_is_stuck_ends_it(void **state)
{
	struct watchdog dog;

	(void)state;
	setenv("WATCHDOG_USEC", "4000000", 1);
	watchdog_start(&dog);
	watchdog_run(&dog, crew, 3);
	told("WATCHDOG=1");
	alive[2] = false;
	for (int i = 0; i < 5; i++) {
		clock_ms += 1000;
		watchdog_run(&dog, crew, 3);
		told_nothing();
		assert_int_equal(asked[2], 1); /* the question is still open */
		assert_int_equal(asked[0], 1);
		assert_int_equal(watchdog_wait_ms(&dog), 1000); /* it does not spin */
	}
	alive[2] = true; /* late, but alive */
	clock_ms += 1000;
	watchdog_run(&dog, crew, 3);
	told("WATCHDOG=1");
	assert_int_equal(asked[2], 2);
}

/* Long pauses of the process are not made up for. */
static void a_late_look_feeds_it_once(void **state)
{
	struct watchdog dog;

	(void)state;
	setenv("WATCHDOG_USEC", "4000000", 1);
	watchdog_start(&dog);
	watchdog_run(&dog, crew, 3);
	told("WATCHDOG=1");
	clock_ms += 60000;
	watchdog_run(&dog, crew, 3);
	told("WATCHDOG=1");
	watchdog_run(&dog, crew, 3);
	told_nothing();
}

static void a_tiny_period_does_not_spin(void **state)
{
	struct watchdog dog;

	(void)state;
	setenv("WATCHDOG_USEC", "100", 1);
	watchdog_start(&dog);
	watchdog_run(&dog, crew, 3);
	told("WATCHDOG=1");
	assert_int_equal(watchdog_wait_ms(&dog), 1);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup(t, setup)
	const struct CMUnitTest tests[] = {
		TEST(each_state_is_told),
		TEST(nobody_is_told_without_a_manager),
		TEST(without_a_watchdog_nothing_is_due),
		TEST(it_is_fed_four_times_a_period),
		TEST(a_worker_that_is_stuck_ends_it),
		TEST(a_late_look_feeds_it_once),
		TEST(a_tiny_period_does_not_spin),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
