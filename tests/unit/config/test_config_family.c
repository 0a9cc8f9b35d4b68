/* SPDX-License-Identifier: BSD-2-Clause */
/* config_family.c: addresses on a host without IPv6, and on one with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config/config_family.h"
#include "tests/lib/heard.h"

/* The error of socket(AF_INET6); 0: none. */
static int ipv6_err;

/* Replaces the C library's. */
int socket(int domain, int type, int protocol)
{
	if (domain == AF_INET6 && ipv6_err) {
		errno = ipv6_err;
		return -1;
	}
	return (int)syscall(SYS_socket, domain == AF_INET6 ? AF_INET : domain, type, protocol);
}

static union addr address(const char *text)
{
	const char *why;
	union addr a;

	assert_int_equal(addr_parse(&a, text, &why), 0);
	return a;
}

/* After config_listener_family(). */
static struct conf_listener listener(const char *listen, bool both_families)
{
	const struct place at = {"f", 3, (char[]){"listeners[0]"}};
	struct conf_listener l = {.addr = address(listen), .both_families = both_families};

	addr_format(l.name, &l.addr);
	heard_begin();
	config_listener_family(&l, &at);
	heard_end();
	return l;
}

static void with_ipv6_nothing_changes(void **state)
{
	const struct place at = {"f", 3, NULL};
	struct conf conf = {.metrics = address("[::]:9")};
	struct conf_server server = {.addr = address("[::1]:3")};
	struct conf_listener l;

	ipv6_err = 0;
	l = listener("[::]:443", true);
	assert_string_equal(l.name, "[::]:443");
	assert_true(l.both_families);
	assert_string_equal(heard, "");
	heard_begin();
	config_metrics_family(&conf);
	config_server_family(&server, &at);
	heard_end();
	assert_int_equal(conf.metrics.family, AF_INET6);
	assert_string_equal(heard, "");
}

/* For example too many open files: the host may still have IPv6. */
static void another_failure_is_not_a_host_without_ipv6(void **state)
{
	struct conf_listener l;

	ipv6_err = EMFILE;
	l = listener("[::]:443", true);
	assert_true(l.both_families);
	assert_string_equal(heard, "");
}

static void all_addresses_become_those_of_ipv4(void **state)
{
	struct conf_listener l;

	ipv6_err = EAFNOSUPPORT;
	l = listener("[::]:443", true);
	assert_int_equal(l.addr.family, AF_INET);
	assert_int_equal(addr_port(&l.addr), 443);
	assert_true(addr_is_wildcard(&l.addr));
	assert_false(l.both_families);
	assert_string_equal(l.name, "0.0.0.0:443");
	assert_string_equal(heard,
			    "info: listener 0.0.0.0:443: this host has no IPv6: IPv4 only\n");
}

static void an_address_of_ipv6_stays_with_a_warning(void **state)
{
	struct conf_listener l;

	ipv6_err = EAFNOSUPPORT;
	l = listener("[2001:db8::1]:443", false);
	assert_string_equal(l.name, "[2001:db8::1]:443");
	assert_int_equal(l.addr.family, AF_INET6);
	assert_string_equal(heard, "warning: f:3: listeners[0]: this host has no IPv6: nobody can "
				   "listen at [2001:db8::1]:443 (0.0.0.0:443 is all of IPv4)\n");
	l = listener("127.0.0.1:443", false);
	assert_string_equal(heard, "");
	assert_int_equal(l.addr.family, AF_INET);
}

static void metrics_likewise(void **state)
{
	struct conf conf = {.metrics = address("[::]:9100")};

	ipv6_err = EAFNOSUPPORT;
	heard_begin();
	config_metrics_family(&conf);
	heard_end();
	assert_int_equal(conf.metrics.family, AF_INET);
	assert_int_equal(addr_port(&conf.metrics), 9100);
	assert_string_equal(heard,
			    "info: metrics 0.0.0.0:9100: this host has no IPv6: IPv4 only\n");
	conf.metrics = address("[::1]:9100");
	heard_begin();
	config_metrics_family(&conf);
	heard_end();
	assert_int_equal(conf.metrics.family, AF_INET6);
	assert_string_equal(heard, "warning: metrics [::1]:9100: this host has no IPv6: nobody can "
				   "listen there\n");
	/* Metrics that are off have no address family. */
	conf.metrics = (union addr){.family = AF_UNSPEC};
	heard_begin();
	config_metrics_family(&conf);
	heard_end();
	assert_string_equal(heard, "");
}

static void the_application_is_only_warned_of(void **state)
{
	const struct place at = {"f", 3, (char[]){"app"}};
	struct conf_server server = {.addr = address("[::1]:3000"), .name = "[::1]:3000"};

	ipv6_err = EAFNOSUPPORT;
	heard_begin();
	config_server_family(&server, &at);
	heard_end();
	assert_string_equal(
		heard, "warning: f:3: app: this host has no IPv6: [::1]:3000 cannot be reached\n");
	server.addr = address("127.0.0.1:3000");
	heard_begin();
	config_server_family(&server, &at);
	heard_end();
	assert_string_equal(heard, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_ipv6_nothing_changes),
		cmocka_unit_test(another_failure_is_not_a_host_without_ipv6),
		cmocka_unit_test(all_addresses_become_those_of_ipv4),
		cmocka_unit_test(an_address_of_ipv6_stays_with_a_warning),
		cmocka_unit_test(metrics_likewise),
		cmocka_unit_test(the_application_is_only_warned_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
