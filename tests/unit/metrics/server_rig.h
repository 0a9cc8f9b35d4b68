/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: a server of metrics in a thread of its own, whose clock, memory and system calls the
 * test has in hand. Its source is included.
 */
#pragma once

#include "metrics_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>

#include "base/loop.h"
#include "tests/lib/heard.h"
#include "tests/lib/net.h"

static pthread_t test_thread;

/* The server's clock runs so many times as fast. */
static unsigned fast;
static uint64_t timers_ms; /* atomic: what the last timer was set to */
static unsigned callocs_left = UINT32_MAX, adds_left = UINT32_MAX; /* atomic: until they fail */

static inline void test_timer_set(struct loop *l, struct timer *t, uint64_t ms)
{
	__atomic_store_n(&timers_ms, ms, __ATOMIC_SEQ_CST);
	loop_timer_set(l, t, ms / fast);
}

static inline bool is_used_up(unsigned *left)
{
	if (__atomic_load_n(left, __ATOMIC_SEQ_CST))
		return __atomic_fetch_sub(left, 1, __ATOMIC_SEQ_CST) == 0;
	return true;
}

static inline void *failing_calloc(size_t n, size_t size)
{
	return is_used_up(&callocs_left) ? NULL : calloc(n, size);
}

static inline int test_loop_add(struct loop *l, int fd, struct watch *w, uint32_t events)
{
	return is_used_up(&adds_left) ? -ENOSPC : loop_add(l, fd, w, events);
}

static unsigned pauses; /* atomic: descriptors that no event is wanted of */

static inline int test_loop_mod(struct loop *l, int fd, struct watch *w, uint32_t events)
{
	if (!events)
		__atomic_add_fetch(&pauses, 1, __ATOMIC_SEQ_CST);
	return loop_mod(l, fd, w, events);
}

#define loop_mod       test_loop_mod
#define loop_timer_set test_timer_set
#define loop_add       test_loop_add
#define calloc         failing_calloc
#include "metrics/metrics_server.c"
#undef loop_timer_set
#undef loop_mod
#undef loop_add
#undef calloc

static struct metrics_server *server;
static uint16_t port;
static unsigned ends, refusals; /* atomic: what the server met */

#define REQUEST "GET /metrics HTTP/1.1\r\n\r\n"

static inline void callocs(unsigned left)
{
	__atomic_store_n(&callocs_left, left, __ATOMIC_SEQ_CST);
}

static inline void adds(unsigned left)
{
	__atomic_store_n(&adds_left, left, __ATOMIC_SEQ_CST);
}

static inline int serve_with(void **state, unsigned speed)
{
	union addr addr = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)}};

	up(state);
	fast = speed;
	test_thread = pthread_self();
	ends = refusals = 0;
	callocs(UINT32_MAX);
	adds(UINT32_MAX);
	assert_int_equal(metrics_server_open(&server, &addr), 0);
	port = metrics_server_port(server);
	return metrics_server_start(server, &numbers);
}

static inline int serve(void **state)
{
	return serve_with(state, 1);
}

static inline int serve_fast(void **state)
{
	return serve_with(state, 25);
}

static inline int unserve(void **state)
{
	metrics_server_close(server);
	server = NULL;
	return down(state);
}

/* Everything until the end, terminated, to be freed. */
static inline char *read_all(int fd)
{
	const size_t room = 1 << 20;
	char *all = calloc(1, room);
	size_t n = 0;
	ssize_t r;

	do {
		assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS));
		r = recv(fd, all + n, room - 1 - n, 0);
		n += r > 0 ? (size_t)r : 0;
	} while (r > 0);
	all[n] = '\0';
	return all;
}

static inline void say(int fd, const char *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static inline void say_text(int fd, const char *text)
{
	say(fd, text, strlen(text));
}

/* What comes is one whole answer of status 200. */
static inline void check_answer(int fd)
{
	char *all = read_all(fd), *body = strstr(all, "\r\n\r\n");
	const char *length = strstr(all, "Content-Length: ");

	assert_int_equal(strncmp(all, "HTTP/1.1 200 ", 13), 0);
	assert_true(body && length);
	assert_int_equal(strlen(body + 4), strtoul(length + 16, NULL, 10));
	free(all);
}

static inline void check_ends_without_answer(int fd)
{
	char *all = read_all(fd);

	assert_string_equal(all, "");
	free(all);
}

static inline void check(void)
{
	int fd = net_connect(port);

	say_text(fd, REQUEST);
	check_answer(fd);
	close(fd);
}

/* The answer does not fit the buffers of this connection: accept4() keeps the other end's small. */
static inline int connect_narrow(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), size = 1024;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* --- the server's system calls, counted ------------------------------------------------------- */

static int refuse_with; /* atomic; what accept4(2) fails with, 0: it does not */

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	ssize_t n = recvfrom(fd, buf, len, flags, NULL, NULL);

	if (n == 0 && !pthread_equal(pthread_self(), test_thread))
		__atomic_add_fetch(&ends, 1, __ATOMIC_SEQ_CST);
	if (n >= 0)
		errno = EAGAIN; /* what an earlier call has left there */
	return n;
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int err = __atomic_load_n(&refuse_with, __ATOMIC_SEQ_CST);

	if (pthread_equal(pthread_self(), test_thread))
		return (int)syscall(SYS_accept4, fd, addr, len, flags);
	if (!err) {
		int new = (int)syscall(SYS_accept4, fd, addr, len, flags), size = 4096;

		setsockopt(new, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		return new;
	}
	__atomic_add_fetch(&refusals, 1, __ATOMIC_SEQ_CST);
	errno = err;
	return -1;
}
