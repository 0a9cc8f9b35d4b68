/* SPDX-License-Identifier: BSD-2-Clause */
/* user/app/app.c: what comes of a connect(2), with real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_that_is_its_own_peer_was_refused),
		cmocka_unit_test(nor_is_it_anybody_elses_over_ipv6),
		cmocka_unit_test(one_that_reached_the_application_was_not),
		cmocka_unit_test(an_error_is_told_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
