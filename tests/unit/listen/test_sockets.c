/* SPDX-License-Identifier: BSD-2-Clause */
/* sockets.c: which sockets are opened, who owns them, and what a failure leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen/sockets.h"
#include "tests/lib/heard.h"
#include "tests/lib/net.h"

#define WORKERS 2

static struct conf_listener listeners[3];
static struct conf conf;
static int before; /* the lowest free descriptor */

static int lowest_free(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static int up(void **state)
{
	(void)state;
	memset(listeners, 0, sizeof(listeners));
	for (size_t i = 0; i < 3; i++) {
		listeners[i].addr.in = (struct sockaddr_in){
			.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		strcpy(listeners[i].name, "127.0.0.1:0");
	}
	conf = (struct conf){.listeners = listeners, .listeners_count = 3, .workers = WORKERS};
	heard_begin();
	before = lowest_free();
	return 0;
}

static int down(void **state)
{
	(void)state;
	heard_end();
	return lowest_free() == before ? 0 : -1;
}

static uint16_t port_of(int fd)
{
	union addr a = {0};
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fd, &a.sa, &len), 0);
	return addr_port(&a);
}

static void one_for_each_worker_and_listener(void **state)
{
	struct sockets *s;
	char want[128];

	(void)state;
	assert_int_equal(sockets_open(&s, &conf, NULL, NULL), 0);
	assert_int_equal(s->listeners, 3);
	assert_int_equal(s->workers, WORKERS);
	for (size_t i = 0; i < 3; i++) {
		uint16_t port = port_of(s->fd[i * WORKERS]);

		assert_int_equal(port_of(s->fd[i * WORKERS + 1]), port);
		assert_int_not_equal(port, port_of(s->fd[(i + 1) % 3 * WORKERS]));
		snprintf(want, sizeof(want),
			 "info: listener 127.0.0.1:0: listening on 127.0.0.1:%u (tls off, "
			 "proxy-protocol off)\n",
			 port);
		assert_heard(want);
	}
	sockets_close(s);
	sockets_close(NULL);
}

static void what_a_listener_does_is_said(void **state)
{
	struct sockets *s;

	(void)state;
	listeners[0].tls = true;
	listeners[0].proxy = PROXY_PREFIX_OPTIONAL;
	listeners[1].mode = MODE_TCP;
	listeners[1].proxy = PROXY_PREFIX_REQUIRE;
	assert_int_equal(sockets_open(&s, &conf, NULL, NULL), 0);
	assert_heard("(tls on, proxy-protocol optional)\n");
	assert_heard("(tls off, proxy-protocol require, mode tcp)\n");
	sockets_close(s);
}

static void taken_ones_stay_open(void **state)
{
	struct sockets *s;
	int fd;

	(void)state;
	assert_int_equal(sockets_open(&s, &conf, NULL, NULL), 0);
	fd = sockets_take(s, 1, 1);
	assert_true(fd >= 0);
	assert_int_equal(sockets_take(s, 1, 1), -1);
	assert_true(s->fd[WORKERS] >= 0); /* the other worker's */
	sockets_close(s);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	close(fd);
}

/* A reload: the first and the last listener go on with the sockets they have. */
static void only_new_listeners_get_one(void **state)
{
	static const int from[] = {0, -1, 1};
	struct sockets *s;

	(void)state;
	assert_int_equal(sockets_open(&s, &conf, from, NULL), 0);
	assert_int_equal(sockets_take(s, 0, 0), -1);
	assert_int_equal(sockets_take(s, 2, 1), -1);
	assert_true(s->fd[2] >= 0 && s->fd[3] >= 0);
	sockets_close(s);
}

static void a_failure_in_the_middle_leaves_nothing_open(void **state)
{
	struct sockets *s = (void *)&conf;
	uint16_t port;
	int taken = net_listen(&port);

	(void)state;
	listeners[2].addr.in.sin_port = htons(port);
	assert_int_equal(sockets_open(&s, &conf, NULL, NULL), -EADDRINUSE);
	assert_ptr_equal(s, &conf);
	close(taken);
	assert_int_equal(lowest_free(), before);
}

static void a_passed_one_is_taken(void **state)
{
	struct passed one = {0};
	struct activation passed = {.sockets = &one, .count = 1};
	struct sockets *s;
	uint16_t port;

	(void)state;
	one.fd = net_listen(&port);
	listeners[1].addr.in.sin_port = htons(port);
	one.addr = listeners[1].addr;
	snprintf(listeners[1].name, sizeof(listeners[1].name), "127.0.0.1:%u", port);
	assert_int_equal(sockets_open(&s, &conf, NULL, &passed), 0);
	assert_true(one.used);
	assert_heard("passed by the service manager\n");
	for (size_t w = 0; w < WORKERS; w++) {
		assert_int_equal(port_of(s->fd[WORKERS + w]), port);
		assert_int_not_equal(s->fd[WORKERS + w], one.fd);
	}
	sockets_close(s);
	/* It is still there, and listens. */
	close(net_connect(port));
	close(one.fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_for_each_worker_and_listener),
		TEST(what_a_listener_does_is_said),
		TEST(taken_ones_stay_open),
		TEST(only_new_listeners_get_one),
		TEST(a_failure_in_the_middle_leaves_nothing_open),
		TEST(a_passed_one_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
