/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe_speed.c: how many rounds, which layer in which order, what comes of the figures, and what
 * is said when it fails. The legs are fakes that say how long they took.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/probe_record.h"
#include "daemon/probe_speed.h"
#include "daemon/speed_client.h"
#include "daemon/speed_legs.h"
#include "tests/lib/loading.h"

static bool can[SUITE_COUNT];
static bool no_ulp;
static uint64_t now_ms, work_ms;
static int opened, buffers, clients, fail_at, failure;
static unsigned calls[SPEED_LAYERS][SPEED_WORKS], seals[SPEED_WORKS];
static uint64_t took_ns[SPEED_LAYERS];
static char order[4096]; /* of bodies: u or k for each; the first suite's */

static void fake_probe_record(struct probe_report *r)
{
	if (no_ulp) {
		probe_say(r, "record", "TCP_ULP tls", false, "none");
		return;
	}
	probe_say(r, "record", "TCP_ULP tls", true, "accepted");
	probe_say(r, "record", "tls1.2 aes-128-gcm", false, "not this one");
	for (int s = 0; s < SUITE_COUNT; s++) {
		r->caps.tx[VERSION_TLS13][s] = r->caps.rx[VERSION_TLS13][s] = can[s];
		probe_say(r, "record", probe_record_name(VERSION_TLS13, (enum tls_suite)s), can[s],
			  "tried");
	}
}

/* Every step is counted down to the one that is to fail. */
static int step(void)
{
	return fail_at && !--fail_at ? failure : 0;
}

static int fake_client_open(struct speed_client *c, enum tls_suite suite)
{
	(void)c;
	(void)suite;
	clients = 1;
	return step();
}

static void fake_client_close(struct speed_client *c)
{
	(void)c;
	clients = 0;
}

static int fake_seal_request(struct speed_client *c)
{
	(void)c;
	seals[SPEED_REQUEST]++;
	return step();
}

static int fake_seal_body(struct speed_client *c)
{
	(void)c;
	seals[SPEED_UP]++;
	return step();
}

static int fake_buffers_open(struct speed_buffers *b)
{
	(void)b;
	buffers = 1;
	return step();
}

static void fake_buffers_close(struct speed_buffers *b)
{
	(void)b;
	assert_int_equal(opened, 0); /* the legs use them */
	buffers = 0;                 /* may not have been opened */
}

static int fake_legs_open(struct speed_legs *l, enum speed_layer layer, enum tls_suite suite,
			  struct speed_buffers *b, const char **what)
{
	(void)suite;
	l->buffers = b;
	l->legs[0].ends.near = layer; /* to know it again */
	opened++;
	*what = layer == SPEED_KERNEL ? "the legs of the kernel" : "the legs of user space";
	return step();
}

static void fake_legs_close(struct speed_legs *l)
{
	if (l->buffers)
		opened--;
	l->buffers = NULL;
}

static int work(struct speed_legs *l, enum speed_work w, uint64_t *ns)
{
	const int layer = l->legs[0].ends.near;

	assert_non_null(l->buffers);
	calls[layer][w]++;
	*ns += took_ns[layer] * (w + 1) * (w == SPEED_REQUEST ? SPEED_REQUEST_LEGS : 1);
	now_ms += work_ms;
	if (w == SPEED_DOWN && strlen(order) + 1 < sizeof(order))
		strcat(order, layer == SPEED_KERNEL ? "k" : "u");
	return step();
}

static int fake_requests(struct speed_legs *l, const struct speed_client *c, uint64_t *ns)
{
	(void)c;
	return work(l, SPEED_REQUEST, ns);
}

static int fake_down(struct speed_legs *l, uint64_t *ns)
{
	return work(l, SPEED_DOWN, ns);
}

static int fake_up(struct speed_legs *l, const struct speed_client *c, uint64_t *ns)
{
	(void)c;
	return work(l, SPEED_UP, ns);
}

static uint64_t fake_monotonic_ms(void)
{
	return now_ms;
}

#define probe_record              fake_probe_record
#define speed_client_open         fake_client_open
#define speed_client_close        fake_client_close
#define speed_client_seal_request fake_seal_request
#define speed_client_seal_body    fake_seal_body
#define speed_buffers_open        fake_buffers_open
#define speed_buffers_close       fake_buffers_close
#define speed_legs_open           fake_legs_open
#define speed_legs_close          fake_legs_close
#define speed_legs_requests       fake_requests
#define speed_legs_down           fake_down
#define speed_legs_up             fake_up
#define monotonic_ms              fake_monotonic_ms
#include "daemon/probe_speed.c"

static struct speed_report report;

static int setup(void **state)
{
	(void)state;
	memset(can, true, sizeof(can));
	memset(calls, 0, sizeof(calls));
	memset(seals, 0, sizeof(seals));
	no_ulp = false;
	now_ms = work_ms = 0;
	fail_at = failure = 0;
	order[0] = '\0';
	took_ns[SPEED_USER] = 1000;
	took_ns[SPEED_KERNEL] = 900;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return opened || buffers || clients ? -1 : 0;
}

static void a_fast_machine_does_all_rounds(void **state)
{
	const unsigned rounds = SPEED_ROUNDS_MAX + 1; /* and one that does not count */

	(void)state;
	assert_int_equal(probe_speed(&report), 0);
	for (int s = 0; s < SUITE_COUNT; s++) {
		assert_int_equal(report.suites[s].rounds, SPEED_ROUNDS_MAX);
		assert_null(report.suites[s].missing);
		for (int w = 0; w < SPEED_WORKS; w++) {
			const struct speed_figures *f = &report.suites[s].works[w];

			assert_true(f->ns[SPEED_USER].median == 1000.0 * (w + 1));
			assert_true(f->ns[SPEED_KERNEL].median == 900.0 * (w + 1));
			assert_true(f->ratio.high == 0.9);
			assert_int_equal(f->verdict, SPEED_KERNEL_LESS);
		}
	}
	for (int layer = 0; layer < SPEED_LAYERS; layer++) {
		assert_int_equal(calls[layer][SPEED_DOWN], SUITE_COUNT * rounds);
		assert_int_equal(calls[layer][SPEED_UP], SUITE_COUNT * rounds);
		assert_int_equal(calls[layer][SPEED_REQUEST], SUITE_COUNT * rounds * TURNS);
	}
	/* What the client sends is sealed once for both layers. */
	assert_int_equal(seals[SPEED_UP], SUITE_COUNT * rounds);
	assert_int_equal(seals[SPEED_REQUEST], SUITE_COUNT * rounds * TURNS);
	assert_int_equal(strncmp(order, "ukkuukkuukku", 12), 0);
}

static void a_slow_machine_does_the_least(void **state)
{
	(void)state;
	work_ms = 10000;
	assert_int_equal(probe_speed(&report), 0);
	for (int s = 0; s < SUITE_COUNT; s++)
		assert_int_equal(report.suites[s].rounds, SPEED_ROUNDS_MIN);
	setup(state);
	work_ms = 1; /* a round takes 2 * (TURNS + 2) ms */
	assert_int_equal(probe_speed(&report), 0);
	assert_in_range(report.suites[0].rounds, SPEED_ROUNDS_MIN + 1, SPEED_ROUNDS_MAX - 1);
	assert_true(now_ms <= SUITE_COUNT * (SUITE_MS + 2 * (TURNS + 2)));
}

static void without_kernel_tls_user_space_is_measured(void **state)
{
	(void)state;
	no_ulp = true;
	assert_int_equal(probe_speed(&report), 0);
	for (int s = 0; s < SUITE_COUNT; s++) {
		assert_int_equal(report.suites[s].rounds, SPEED_ROUNDS_MAX);
		assert_string_equal(report.suites[s].missing->detail, "none");
		assert_true(report.suites[s].works[SPEED_UP].ns[SPEED_USER].median == 3000);
		assert_int_equal(report.suites[s].works[SPEED_UP].verdict, SPEED_NOT_COMPARED);
	}
	assert_int_equal(calls[SPEED_KERNEL][SPEED_DOWN], 0);
}

static void a_suite_that_is_missing_has_its_own_cause(void **state)
{
	(void)state;
	can[SUITE_CHACHA20_POLY1305] = false;
	assert_int_equal(probe_speed(&report), 0);
	assert_null(report.suites[SUITE_AES_128_GCM].missing);
	assert_null(report.suites[SUITE_AES_256_GCM].missing);
	assert_string_equal(report.suites[SUITE_CHACHA20_POLY1305].missing->name,
			    "tls1.3 chacha20-poly1305");
}

static int run(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return probe_speed(&report);
}

/* The steps of opening, in order, and one in the midst of the rounds. */
static void failures_name_what_failed(void **state)
{
	static const struct {
		int at, err;
		const char *said;
	} cases[] = {
		{1, -ENOMEM, "speed: buffers: Cannot allocate memory: nothing was measured: free "},
		{2, -ENOMEM, "speed: buffers: Cannot allocate memory: nothing was measured: free "},
		{3, -EMFILE,
		 "speed: the legs of user space: Too many open files: nothing was "
		 "measured: allow 64 descriptors (ulimit -n)"},
		{4, -ENFILE, "speed: the legs of the kernel: Too many open files in system: "},
		{4, -ENETUNREACH,
		 "unreachable: nothing was measured: is the loopback interface "
		 "up? (ip link set lo up)"},
		{5, -ENOMEM, "speed: buffers: "},
		{6, -ETIMEDOUT,
		 "speed: records in user space: Connection timed out: nothing was "
		 "measured: does something on this host filter or hold up "},
		{7, -EPROTO,
		 "speed: the kernel's records: Protocol error: nothing was measured: "
		 "kedge probe tries each step"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(loaded_free)
		struct loaded l = {0};

		setup(state);
		fail_at = cases[i].at;
		failure = cases[i].err;
		l = run_command(run, "probe", "");
		assert_int_equal(l.status, cases[i].err);
		if (!strstr(l.err, cases[i].said))
			fail_msg("%zu: %s", i, l.err);
		assert_string_equal(l.out, "");
		assert_int_equal(opened + buffers + clients, 0);
	}
}

/* A clock of CPU time that does not move says nothing. */
static void a_clock_that_stands_still_is_refused(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = {0};

	(void)state;
	took_ns[SPEED_KERNEL] = 0;
	l = run_command(run, "probe", "");
	assert_int_equal(l.status, -ETIME);
	assert_non_null(strstr(l.err, "speed: this system's clock of CPU time: "));
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_fast_machine_does_all_rounds),
		TEST(a_slow_machine_does_the_least),
		TEST(without_kernel_tls_user_space_is_measured),
		TEST(a_suite_that_is_missing_has_its_own_cause),
		TEST(failures_name_what_failed),
		TEST(a_clock_that_stands_still_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
