/* SPDX-License-Identifier: BSD-2-Clause */
/* app.c: sockets to the application, and what becomes of their connect(2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "app/app.h"
#include "tests/lib/net.h"

static union addr addr_of(const char *text)
{
	union addr a;
	const char *why;

	assert_int_equal(addr_parse(&a, text, &why), 0);
	return a;
}

static union addr name_of(int fd)
{
	union addr name = {0};
	socklen_t len = sizeof(name);

	assert_int_equal(getsockname(fd, &name.sa, &len), 0);
	return name;
}

/* As if the kernel had chosen the port of the application for the connection to it. */
static void connects_to_itself(const char *text)
{
	const union addr at = addr_of(text);
	int one = 1, fd = app_socket(&at, false), next;
	union addr name;

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &at.sa, addr_len(&at)), 0);
	name = name_of(fd);
	assert_int_equal(app_connect(fd, &name), 0);
	assert_true(net_wait(fd, POLLOUT, NET_PATIENCE_MS));
	assert_int_equal(app_connected(fd, &name), -ECONNREFUSED);

	/* After a reset nothing is in the way of the application. */
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
				    sizeof(struct linger)),
			 0);
	close(fd);
	next = app_socket(&at, false);
	assert_int_equal(setsockopt(next, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(next, &name.sa, addr_len(&name)), 0);
	assert_int_equal(listen(next, 1), 0);
	close(next);
}

static void a_socket_that_is_its_own_peer_was_refused(void **state)
{
	(void)state;
	connects_to_itself("127.0.0.1:0");
}

static bool has_ipv6(void)
{
	const union addr at = addr_of("[::1]:0");
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, &at.sa, addr_len(&at)) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

static void nor_is_it_anybody_elses_over_ipv6(void **state)
{
	(void)state;
	if (!has_ipv6())
		skip();
	connects_to_itself("[::1]:0");
}

static void one_that_reached_the_application_was_not(void **state)
{
	uint16_t port;
	int listener = net_listen(&port), fd;
	union addr name = name_of(listener);

	(void)state;
	fd = app_socket(&name, false);
	assert_int_equal(app_connect(fd, &name), 0);
	assert_true(net_wait(fd, POLLOUT, NET_PATIENCE_MS));
	assert_int_equal(app_connected(fd, &name), 0);
	close(fd);
	close(listener);
}

static void an_error_is_told_as_it_is(void **state)
{
	uint16_t port;
	int listener = net_listen(&port), fd;
	union addr name = name_of(listener);

	(void)state;
	close(listener);
	fd = app_socket(&name, false);
	assert_int_equal(app_connect(fd, &name), 0);
	assert_true(net_wait(fd, POLLOUT, NET_PATIENCE_MS));
	assert_int_equal(app_connected(fd, &name), -ECONNREFUSED);
	close(fd);
}

/* Two sockets of the same two addresses: as if all source ports were taken. */
static void a_lack_of_source_ports_is_told_from_a_lack_of_a_way(void **state)
{
	uint16_t port;
	int listener = net_listen(&port), one = 1;
	union addr at = name_of(listener), own = addr_of("127.0.0.1:0");
	int fds[2] = {app_socket(&at, false), app_socket(&at, false)};

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)),
				 0);
		assert_int_equal(bind(fds[i], &own.sa, addr_len(&own)), 0);
		own = name_of(fds[i]);
	}
	assert_int_equal(app_connect(fds[0], &at), 0);
	assert_true(net_wait(fds[0], POLLOUT, NET_PATIENCE_MS));
	assert_int_equal(app_connect(fds[1], &at), -EADDRNOTAVAIL);
	close(fds[0]);
	close(fds[1]);
	close(listener);
}

static void what_is_wrong_at_once_is_told_at_once(void **state)
{
	const union addr none = {.family = AF_PACKET}, broadcast = addr_of("255.255.255.255:80");
	const union addr loopback = addr_of("127.0.0.1:80");
	int fd;

	(void)state;
	assert_true(app_socket(&none, false) < 0);
	fd = app_socket(&loopback, false);
	assert_int_not_equal(app_connect(fd, &broadcast), 0);
	close(fd);
	assert_int_equal(app_connect(-1, &loopback), -EBADF);
	assert_int_equal(app_connected(-1, &loopback), -EBADF);
}

static int option(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

/* Small requests go out at once; responses that bypass TCP have room. */
static void the_options_of_a_socket(void **state)
{
	const union addr at = addr_of("127.0.0.1:80");
	int narrow = app_socket(&at, false), wide = app_socket(&at, true);

	(void)state;
	assert_int_equal(option(narrow, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option(wide, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_true(option(wide, SOL_SOCKET, SO_RCVBUF) > option(narrow, SOL_SOCKET, SO_RCVBUF));
	assert_true(fcntl(narrow, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(narrow, F_GETFD) & FD_CLOEXEC);
	close(narrow);
	close(wide);
}

/* --- unix sockets --- */

static int listen_unix(union addr *at, const char *text, int backlog)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*at = addr_of(text);
	assert_int_equal(bind(fd, &at->sa, addr_len(at)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static void a_unix_socket_is_connected_at_once(void **state)
{
	union addr at;
	int listener = listen_unix(&at, "unix:@kedge test_app 1", 1);
	int fd = app_socket(&at, true);

	(void)state;
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(app_connect(fd, &at), 0);
	assert_true(net_wait(fd, POLLOUT, 0));
	assert_int_equal(app_connected(fd, &at), 0);
	close(fd);
	close(listener);
}

/* It is not EINPROGRESS: nothing comes of it. The same socket may try again. */
static void a_full_queue_is_told_and_may_be_tried_again(void **state)
{
	union addr at;
	int listener = listen_unix(&at, "unix:@kedge test_app 2", 0);
	int first = app_socket(&at, false), second = app_socket(&at, false);

	(void)state;
	assert_int_equal(app_connect(first, &at), 0);
	assert_int_equal(app_connect(second, &at), -EAGAIN);
	assert_int_equal(app_connect(second, &at), -EAGAIN);
	close(accept(listener, NULL, NULL));
	assert_int_equal(app_connect(second, &at), 0);
	assert_int_equal(app_connected(second, &at), 0);
	close(first);
	close(second);
	close(listener);
}

static void a_unix_socket_that_nobody_has_is_refused(void **state)
{
	const union addr none = addr_of("unix:@kedge test_app 3");
	const union addr no_file = addr_of("unix:/nonexistent/kedge.sock");
	int fd = app_socket(&none, false);

	(void)state;
	assert_int_equal(app_connect(fd, &none), -ECONNREFUSED);
	assert_int_equal(app_connect(fd, &no_file), -ENOENT);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_that_is_its_own_peer_was_refused),
		cmocka_unit_test(nor_is_it_anybody_elses_over_ipv6),
		cmocka_unit_test(one_that_reached_the_application_was_not),
		cmocka_unit_test(an_error_is_told_as_it_is),
		cmocka_unit_test(a_lack_of_source_ports_is_told_from_a_lack_of_a_way),
		cmocka_unit_test(what_is_wrong_at_once_is_told_at_once),
		cmocka_unit_test(the_options_of_a_socket),
		cmocka_unit_test(a_unix_socket_is_connected_at_once),
		cmocka_unit_test(a_full_queue_is_told_and_may_be_tried_again),
		cmocka_unit_test(a_unix_socket_that_nobody_has_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
