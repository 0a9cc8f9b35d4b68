/* SPDX-License-Identifier: BSD-2-Clause */
/* loopback_pair.c: both ends are ours, whoever else connects to the listener meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int test_connect(int fd, const struct sockaddr *addr, socklen_t len);
static int test_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
static int test_socket(int family, int type, int protocol);

#define connect test_connect
#define accept4 test_accept4
#define socket  test_socket
#include "base/loopback_pair.c"
#undef connect
#undef accept4
#undef socket

#define BEFORE_MAX 8

static int strangers[LOOPBACK_TRIES_MAX + BEFORE_MAX]; /* their ends */
static unsigned strangers_count;
static unsigned before_connect; /* strangers that are faster than our connect(2) */
static bool before_accept;      /* and one more before each accept4(2) */
static bool never_connects;
static int accept_fails, accept_failures; /* errno, and how often */
static unsigned sockets_left;             /* until socket(2) fails with EMFILE */
static union addr listening;

static void stranger_connects(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(strangers_count < sizeof(strangers) / sizeof(strangers[0]));
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &listening.sa, sizeof(listening.in)), 0);
	strangers[strangers_count++] = fd;
}

static int test_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	memcpy(&listening, addr, len);
	for (unsigned i = 0; i < before_connect; i++)
		stranger_connects();
	if (never_connects) {
		errno = EINPROGRESS;
		return -1;
	}
	return connect(fd, addr, len);
}

static int test_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	if (before_accept)
		stranger_connects();
	if (accept_failures) {
		accept_failures--;
		errno = accept_fails;
		return -1;
	}
	return accept4(fd, addr, len, flags);
}

static int test_socket(int family, int type, int protocol)
{
	if (!sockets_left) {
		errno = EMFILE;
		return -1;
	}
	sockets_left--;
	return socket(family, type, protocol);
}

static int setup(void **state)
{
	(void)state;
	before_connect = 0;
	before_accept = never_connects = false;
	accept_failures = 0;
	sockets_left = 2;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	while (strangers_count)
		close(strangers[--strangers_count]);
	return 0;
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void carries(int from, int to)
{
	char got[8] = "";

	assert_int_equal(send(from, "ours", 4, MSG_NOSIGNAL), 4);
	assert_int_equal(recv(to, got, sizeof(got), 0), 4);
	assert_string_equal(got, "ours");
}

static void assert_is_a_pair(const int fds[2])
{
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		assert_int_equal(fcntl(fds[i], F_GETFL) & O_NONBLOCK, 0);
	}
	carries(fds[0], fds[1]);
	carries(fds[1], fds[0]);
}

static void a_pair_is_connected_and_nothing_else_is_left_open(void **state)
{
	unsigned before = open_descriptors();
	int fds[2];

	(void)state;
	assert_int_equal(loopback_pair(fds), 0);
	assert_is_a_pair(fds);
	assert_int_equal(open_descriptors(), before + 2);
	close(fds[0]);
	close(fds[1]);
}

static void a_stranger_is_dropped(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

static void strangers_that_come_first_are_dropped(void **state)
{
	int fds[2];

	(void)state;
	before_connect = BEFORE_MAX;
	assert_int_equal(loopback_pair(fds), 0);
	assert_is_a_pair(fds);
	assert_int_equal(strangers_count, BEFORE_MAX);
	for (unsigned i = 0; i < strangers_count; i++)
		a_stranger_is_dropped(strangers[i]);
	close(fds[0]);
	close(fds[1]);
}

static void strangers_without_end_are_an_error(void **state)
{
	unsigned before = open_descriptors();
	int fds[2] = {-7, -8};

	(void)state;
	before_connect = 1;
	before_accept = never_connects = true;
	assert_int_equal(loopback_pair(fds), -EADDRINUSE);
	assert_int_equal(strangers_count, LOOPBACK_TRIES_MAX + 1);
	assert_int_equal(fds[0], -7);
	assert_int_equal(fds[1], -8);
	assert_int_equal(open_descriptors(), before + strangers_count);
}

static void what_concerns_one_connection_is_tried_again(void **state)
{
	static const int errors[] = {EAGAIN, EINTR, ECONNABORTED};
	int fds[2];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		sockets_left = 2;
		accept_fails = errors[i];
		accept_failures = 3;
		assert_int_equal(loopback_pair(fds), 0);
		assert_int_equal(accept_failures, 0);
		assert_is_a_pair(fds);
		close(fds[0]);
		close(fds[1]);
	}
}

static void other_failures_are_told(void **state)
{
	unsigned before = open_descriptors();
	int fds[2] = {-7, -8};

	(void)state;
	accept_fails = EMFILE;
	accept_failures = 1;
	assert_int_equal(loopback_pair(fds), -EMFILE);
	for (unsigned left = 0; left < 2; left++) {
		sockets_left = left;
		assert_int_equal(loopback_pair(fds), -EMFILE);
	}
	assert_int_equal(fds[0], -7);
	assert_int_equal(open_descriptors(), before);
}

static void an_alias_is_ours_too(void **state)
{
	union addr where, alias = {0}, peer = {0};
	socklen_t len = sizeof(alias);
	int listener = loopback_listen(&where), other, far;
	int near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_true(listener >= 0);
	other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(other, &where.sa, sizeof(where.in)), 0);
	assert_int_equal(getsockname(other, &alias.sa, &len), 0);
	far = loopback_accept(listener, near, &alias, &peer, SOCK_NONBLOCK);
	assert_true(far >= 0);
	assert_true(addr_equal(&peer, &alias));
	assert_int_equal(fcntl(far, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(far, F_GETFL) & O_NONBLOCK);
	close(far);
	close(near);
	close(other);
	close(listener);
}

static void a_socket_is_needed(void **state)
{
	union addr where;
	int listener = loopback_listen(&where);

	(void)state;
	assert_int_equal(where.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_not_equal(addr_port(&where), 0);
	assert_int_equal(loopback_accept(listener, -1, NULL, NULL, 0), -EBADF);
	close(listener);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_pair_is_connected_and_nothing_else_is_left_open),
		TEST(strangers_that_come_first_are_dropped),
		TEST(strangers_without_end_are_an_error),
		TEST(what_concerns_one_connection_is_tried_again),
		TEST(other_failures_are_told),
		TEST(an_alias_is_ours_too),
		TEST(a_socket_is_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
