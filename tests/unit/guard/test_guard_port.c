/* SPDX-License-Identifier: BSD-2-Clause */
/* guard_port.c: what an interface is a port of; with devices in a network of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "guard/guard_port.h"
#include "tests/lib/own_ns.h"

static bool net;

static int group_up(void **state)
{
	(void)state;
	net = own_net_up();
	return 0;
}

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	print_message("not on this system: %s\n", what);
	skip();
}

static const char *kind_of(const char *name)
{
	static char kind[GUARD_PORT_KIND_SIZE];

	memset(kind, 'x', sizeof(kind));
	guard_port_kind(kind, name ? if_nametoindex(name) : 0);
	return kind;
}

static void who_forwards_and_who_takes_all(void **state)
{
	static const struct {
		const char *kind;
		bool forwards, takes_all;
	} table[] = {
		{"", false, false},          {"bridge", true, true},
		{"openvswitch", true, true}, {"bond", false, true},
		{"team", false, true},       {"vrf", false, false},
		{"bridges", false, true},    {"something new", false, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(guard_port_forwards(table[i].kind), table[i].forwards);
		assert_int_equal(guard_port_takes_all(table[i].kind), table[i].takes_all);
	}
}

static void an_interface_that_is_not_there(void **state)
{
	char kind[GUARD_PORT_KIND_SIZE] = "untouched";

	(void)state;
	assert_string_equal(kind_of(NULL), "");
	guard_port_kind(kind, 0x7fffffff);
	assert_string_equal(kind, "");
	assert_string_equal(kind_of("lo"), "");
}

static void a_port_of_a_bridge(void **state)
{
	(void)state;
	need(net && own_ip("link add kb0 type bridge") &&
		     own_ip("link add kv0 type veth peer name kv1"),
	     "bridges");
	assert_string_equal(kind_of("kv0"), "");
	assert_string_equal(kind_of("kb0"), ""); /* it is a bridge, but no port */
	assert_true(own_ip("link set kv0 master kb0"));
	assert_string_equal(kind_of("kv0"), "bridge");
	assert_string_equal(kind_of("kv1"), "");
	assert_true(own_ip("link set kv0 nomaster"));
	assert_string_equal(kind_of("kv0"), "");
	own_ip("link del kv0");
	own_ip("link del kb0");
}

/* all-listeners treats ports as down, and no other interface. */
static void ports_are_left_out(void **state)
{
	struct ifaddrs have[] = {
		{.ifa_next = &have[1],
		 .ifa_name = (char[]){"lo"},
		 .ifa_flags = IFF_UP | IFF_LOOPBACK},
		{.ifa_next = &have[2],
		 .ifa_name = (char[]){"kv0"},
		 .ifa_flags = IFF_UP | IFF_RUNNING},
		{.ifa_next = &have[3], .ifa_name = (char[]){"kv1"}, .ifa_flags = IFF_UP},
		{.ifa_next = NULL, .ifa_name = (char[]){"nowhere"}, .ifa_flags = IFF_UP},
	};

	(void)state;
	guard_port_leave_out(NULL);
	need(net && own_ip("link add kb0 type bridge") &&
		     own_ip("link add kv0 type veth peer name kv1") &&
		     own_ip("link set kv0 master kb0"),
	     "bridges");
	guard_port_leave_out(have);
	assert_int_equal(have[0].ifa_flags, IFF_UP | IFF_LOOPBACK);
	assert_int_equal(have[1].ifa_flags, IFF_RUNNING);
	assert_int_equal(have[2].ifa_flags, IFF_UP);
	assert_int_equal(have[3].ifa_flags, IFF_UP);
	own_ip("link del kv0");
	own_ip("link del kb0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_forwards_and_who_takes_all),
		cmocka_unit_test(an_interface_that_is_not_there),
		cmocka_unit_test(a_port_of_a_bridge),
		cmocka_unit_test(ports_are_left_out),
	};

	return cmocka_run_group_tests(tests, group_up, NULL);
}
