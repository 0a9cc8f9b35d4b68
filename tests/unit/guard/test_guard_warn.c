/* SPDX-License-Identifier: BSD-2-Clause */
/* guard_warn.c: each warning, and when there is none. In a network of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "guard/guard_warn.h"
#include "tests/lib/heard.h"
#include "tests/lib/loading.h"
#include "tests/lib/own_ns.h"

#define W     "warning: "
#define PLAIN "--app 127.0.0.1:9 --tls off "

static bool net;

static int group_up(void **state)
{
	net = own_net_up();
	return loading_begin(state);
}

static void assert_said(const char *want)
{
	assert_string_equal(heard, want);
	heard_begin();
}

/* --- ports ------------------------------------------------------------------------------------ */

static void ports_of_a_bridge(void **state)
{
	struct guard_interface on[2] = {{.name = "lo", .index = 1}, {.name = "kv0"}};
	_cleanup_(conf_freep)
	struct conf *all = must_load(NULL, PLAIN "--listen :1");
	_cleanup_(conf_freep)
	struct conf *one = must_load(NULL, PLAIN "--listen 192.0.2.1:1");

	(void)state;
	if (!net || !own_ip("link add kb0 type bridge") ||
	    !own_ip("link add kv0 type veth peer name kv1") || !own_ip("link set kv0 master kb0")) {
		print_message("not on this system: bridges\n");
		skip();
	}
	on[1].index = if_nametoindex("kv0");
	heard_begin();
	guard_warn_ports(on, 2, one);
	assert_said("");
	guard_warn_ports(on, 1, all);
	assert_said("");
	guard_warn_ports(on, 2, all);
	assert_said(W "guard: interface kv0 is a port of a bridge: packets to others behind it are "
		      "judged too where they are for a port of kedge's: let "
		      "kedge listen on its own addresses\n");
	heard_end();
}

/* --- cookies ---------------------------------------------------------------------------------- */

static bool set_syncookies(const char *mode)
{
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_syncookies", "we");
	bool ok = f && fputs(mode, f) >= 0;

	return (f && fclose(f) == 0) && ok;
}

static void cookies_that_the_kernel_does_not_make(void **state)
{
	const struct conf_guard without = {0}, with = {.cookies = true};

	(void)state;
	heard_begin();
	guard_warn_cookies(&without, false);
	assert_said("");
	guard_warn_cookies(&with, false);
	assert_said(W "guard-over: cookie: this kernel makes none for XDP: dropping instead\n");
	heard_end();
	if (!net || !set_syncookies("1")) {
		print_message("not on this system: sysctls of a network namespace\n");
		skip();
	}
	heard_begin();
	guard_warn_cookies(&with, true);
	assert_said(W "guard-over: cookie: dropping instead until sysctl "
		      "net.ipv4.tcp_syncookies=2 (it is 1)\n");
	assert_true(set_syncookies("2"));
	guard_warn_cookies(&with, true);
	assert_said("");
	heard_end();
}

/* --- interfaces ------------------------------------------------------------------------------- */

static void interfaces_that_it_is_not_on(void **state)
{
	static struct sockaddr_in ip = {.sin_family = AF_INET};
	struct ifaddrs have = {.ifa_name = (char[]){"eth0"},
			       .ifa_flags = IFF_UP,
			       .ifa_addr = (struct sockaddr *)&ip};
	const struct guard_interface on = {.name = "eth1"};
	_cleanup_(conf_freep)
	struct conf *conf = must_load(NULL, "--guard-interfaces eth1 --guard-interfaces "
					    "all-listeners " PLAIN "--listen 192.0.2.1:1");

	(void)state;
	inet_pton(AF_INET, "192.0.2.1", &ip.sin_addr);
	heard_begin();
	guard_warn_missing(&on, 1, conf, &have);
	assert_said(W "guard: interface eth0: it is not there before a restart\n");
	guard_warn_missing(&on, 0, conf, &have);
	assert_said(W "guard: interface eth1: it is not there before a restart\n" W
		      "guard: interface eth0: it is not there before a restart\n");
	inet_pton(AF_INET, "192.0.2.2", &ip.sin_addr);
	guard_warn_missing(&on, 1, conf, &have);
	assert_said(W "guard: listener 192.0.2.1:1: no interface has its address: name the "
		      "interfaces in guard-interfaces\n");
	heard_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_of_a_bridge),
		cmocka_unit_test(cookies_that_the_kernel_does_not_make),
		cmocka_unit_test(interfaces_that_it_is_not_on),
	};

	return cmocka_run_group_tests(tests, group_up, loading_end);
}
