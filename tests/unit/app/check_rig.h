/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: check_server.c with servers of every kind. Sockets are real, but the clock is not: it
 * moves on to the next deadline when nothing happens any more. Both sources are included.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/loop.h"
#include "tests/lib/heard.h"
#include "tests/lib/net.h"

/* --- a loop with another clock ---------------------------------------------------------------- */

static struct loop loop;
static uint64_t clock_ms = 1000000;
static bool (*stop_when)(void);
static uint64_t stop_at_ms;

static inline uint64_t test_monotonic_us(void)
{
	return clock_ms * 1000;
}

/* For the kernel to bring what is on its way. */
#define SETTLE_MS 15

static inline int test_epoll_wait(int ep, struct epoll_event *ev, int max, int ms)
{
	int n;

	if (stop_when && stop_when())
		loop.stop = true;
	if (loop.stop)
		return 0;
	n = epoll_wait(ep, ev, max, ms ? SETTLE_MS : 0);
	if (n == 0 && ms < 0)
		fail_msg("the loop waits for ever");
	if (n == 0)
		clock_ms += (uint64_t)ms;
	if (clock_ms >= stop_at_ms)
		loop.stop = true;
	return n;
}

#include "base/clock.h"
#define monotonic_us test_monotonic_us
#define epoll_wait   test_epoll_wait
#include "base/loop.c"
#undef epoll_wait
#undef monotonic_us
#undef EVENTS_PER_TURN

static int socket_error;
static bool is_memory_out, is_request_out;
static int add_error;

static inline void *failing_calloc(size_t n, size_t size)
{
	return is_memory_out ? NULL : calloc(n, size);
}

static inline int test_loop_add(struct loop *l, int fd, struct watch *w, uint32_t events)
{
	return add_error ? add_error : loop_add(l, fd, w, events);
}

#include "app/app.h"
#include "app/check_request.h"

static inline int test_app_socket(const union addr *app, bool bypass)
{
	return socket_error ? socket_error : app_socket(app, bypass);
}

static inline char *test_check_request(size_t *len, const struct conf_app *app,
				       const struct conf_server *server)
{
	return is_request_out ? NULL : check_request(len, app, server);
}

#define calloc        failing_calloc
#define loop_add      test_loop_add
#define app_socket    test_app_socket
#define check_request test_check_request
#include "app/check_server.c"
#undef calloc
#undef loop_add
#undef app_socket
#undef check_request

/* Turns until this holds; fails after so much time of the test's clock. */
static inline void run_until(bool (*when)(void))
{
	loop.stop = false;
	stop_when = when;
	stop_at_ms = clock_ms + 60000;
	loop_run(&loop);
	if (!when())
		fail_msg("it did not happen; heard: %s", heard);
}

static inline void run_for(uint64_t ms)
{
	loop.stop = false;
	stop_when = NULL;
	stop_at_ms = clock_ms + ms;
	loop_run(&loop);
}

/* --- the far end ------------------------------------------------------------------------------ */

/* What it does with a request; the descriptor is its own to close. */
typedef void script_fn(int fd);

static struct {
	struct watch watch;
	int fd;
	uint16_t port;
	script_fn *script;
	unsigned accepted;
	int kept[64]; /* open */
	unsigned kept_count;
} far;

static inline void keep(int fd)
{
	assert_true(far.kept_count < 64);
	far.kept[far.kept_count++] = fd;
}

static inline void drop_kept(void)
{
	while (far.kept_count)
		close(far.kept[--far.kept_count]);
}

static inline void far_ready(struct watch *watch, uint32_t events)
{
	int fd = accept4(far.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)watch;
	(void)events;
	if (fd < 0)
		return;
	far.accepted++;
	far.script(fd);
}

/* The whole request; small ones come in one piece. */
static inline void hear(int fd, char *buf, size_t size)
{
	size_t n = 0;

	do {
		assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS));
		ssize_t got = recv(fd, buf + n, size - 1 - n, 0);

		assert_true(got > 0);
		n += (size_t)got;
		buf[n] = '\0';
	} while (!strstr(buf, "\r\n\r\n"));
}

static inline void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static char request[2048];
static struct watch later_watch;
static const char *text_now;
static int later_fd;

/* The request comes after the accept: in a later turn. */
static inline void later_ready(struct watch *watch, uint32_t events)
{
	(void)watch;
	(void)events;
	hear(later_fd, request, sizeof(request));
	loop_del(&loop, later_fd);
	if (text_now)
		say(later_fd, text_now);
	close(later_fd);
}

static inline void answer_and_close(int fd)
{
	later_watch.ready = later_ready;
	later_fd = fd;
	assert_int_equal(loop_add(&loop, fd, &later_watch, EPOLLIN), 0);
}

/* --- setting up ------------------------------------------------------------------------------- */

static struct checker checker;
static struct server *server;
static struct check_server *checked;
static struct conf_app app;
static struct conf_server conf;

static inline union addr addr_of(const char *text)
{
	union addr a;
	const char *why;

	assert_int_equal(addr_parse(&a, text, &why), 0);
	return a;
}

static inline int setup(void **state)
{
	char text[32];

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	checker = (struct checker){.loop = &loop};
	memset(&far, 0, sizeof(far));
	far.fd = net_listen(&far.port);
	far.watch.ready = far_ready;
	assert_int_equal(loop_add(&loop, far.fd, &far.watch, EPOLLIN), 0);
	snprintf(text, sizeof(text), "127.0.0.1:%u", far.port);
	conf = (struct conf_server){.addr = addr_of(text), .name = "app:1"};
	app = (struct conf_app){.name = "web",
				.check = CHECK_HTTP,
				.check_path = "/healthz",
				.check_status = {200, 399},
				.check_every_ms = 3000,
				.check_timeout_ms = 2000,
				.check_rise = 2,
				.check_fall = 3};
	server = server_new(app.name, conf.name, 1);
	heard_begin();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	if (checked) {
		check_server_end(checked);
		check_server_free(checked);
		checked = NULL;
	}
	heard_end();
	server_put(server);
	drop_kept();
	if (far.fd >= 0)
		close(far.fd);
	loop_fini(&loop);
	socket_error = add_error = 0;
	return 0;
}

static inline void begin_checks(void)
{
	checked = check_server_new(server, &app, &conf);
	assert_non_null(checked);
	check_server_begin(checked, &checker, 0);
}

static inline enum server_health health(void)
{
	return (enum server_health)server->health;
}

static inline bool is_good(void)
{
	return health() == SERVER_GOOD;
}

static inline bool is_bad(void)
{
	return health() == SERVER_BAD;
}

static inline bool is_between(void)
{
	return checked->phase == CHECK_WAITS;
}

static inline bool is_reading(void)
{
	return checked->phase == CHECK_READS && far.accepted;
}

static unsigned wanted;

static inline bool has_accepted(void)
{
	return far.accepted >= wanted && is_between();
}

/* So many more checks, to their end. */
static inline void checks_more(unsigned n)
{
	wanted = far.accepted + n;
	run_until(has_accepted);
}

/* --- far ends that several tests have -------------------------------------------------------- */

static inline void say_nothing(int fd)
{
	keep(fd);
}

static inline void close_at_once(int fd)
{
	close(fd);
}

static inline void answer_good(void)
{
	text_now = "HTTP/1.1 200 OK\r\n\r\n";
}

static inline void answer_bad(void)
{
	text_now = "HTTP/1.1 500 No\r\n\r\n";
}

static inline void falls_with(const char *why)
{
	char line[256];

	begin_checks();
	run_until(is_bad);
	snprintf(line, sizeof(line),
		 "warning: application web: server app:1 is down: %s (3 bad checks in a row)\n",
		 why);
	assert_string_equal(heard, line);
	assert_int_equal(checked->bad, 3);
}
