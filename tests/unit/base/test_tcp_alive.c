/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_alive.c: which options the sockets get, and inherit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/tcp_alive.h"
#include "tests/lib/net.h"

static unsigned option(int fd, int level, int name)
{
	unsigned value = 12345;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void expect(int fd, unsigned idle_s, unsigned every_s, unsigned user_timeout_ms)
{
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), idle_s != 0);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), user_timeout_ms);
	if (!idle_s)
		return;
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), idle_s);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), every_s);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPCNT), TCP_ALIVE_PROBES);
}

/* And a later change counts for those that come later. */
static void accepted_sockets_inherit_it(void **state)
{
	uint16_t port;
	int listener = net_listen(&port), client = net_connect(port), served;

	(void)state;
	close(net_accept(listener));
	close(client);
	tcp_alive_listener(listener, &(struct tcp_alive){60, 90000});
	client = net_connect(port);
	served = net_accept(listener);
	expect(served, 60, 15, 90000);
	tcp_alive_listener(listener, &(struct tcp_alive){0, 0});
	expect(served, 60, 15, 90000);
	close(served);
	close(client);
	client = net_connect(port);
	served = net_accept(listener);
	expect(served, 0, 0, 0);
	close(served);
	close(client);
	close(listener);
}

static int towards(const char *text, uint32_t keepalive_s, uint32_t user_timeout_ms)
{
	union addr peer;
	const char *why;
	int fd;

	assert_int_equal(addr_parse(&peer, text, &why), 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	tcp_alive_towards(fd, &peer, &(struct tcp_alive){keepalive_s, user_timeout_ms});
	return fd;
}

static void a_peer_on_another_host(void **state)
{
	static const struct {
		uint32_t idle_s, user_timeout_ms;
		unsigned every_s;
	} cases[] = {{60, 0, 15},      {3, 7, 1},    {1, 86400000, 1},
		     {32767, 0, 8191}, {0, 5000, 0}, {0, 0, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int fd = towards("192.0.2.1:80", cases[i].idle_s, cases[i].user_timeout_ms);

		expect(fd, cases[i].idle_s, cases[i].every_s, cases[i].user_timeout_ms);
		close(fd);
	}
}

static void on_this_host_nobody_vanishes(void **state)
{
	static const char *const here[] = {"127.0.0.1:80", "127.9.9.9:80", "[::1]:80",
					   "[::ffff:127.0.0.1]:80", "unix:/run/app"};

	(void)state;
	for (size_t i = 0; i < sizeof(here) / sizeof(*here); i++) {
		int fd = towards(here[i], 60, 5000);

		expect(fd, 0, 0, 0);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted_sockets_inherit_it),
		cmocka_unit_test(a_peer_on_another_host),
		cmocka_unit_test(on_this_host_nobody_vanishes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
