/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/guard/guard_rules.c, user/guard/guard_interface.c: what the guard is told, and where it
 * goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

#include "guard/guard_interface.h"
#include "guard/guard_rules.h"
#include "tests/lib/loading.h"

#define PROXY "--app 127.0.0.1:9 --tls off --proxy-protocol require "

/*
 * --- rules
 * -----------------------------------------------------------------------------------------
 */

static struct guard_rules rules_of(const char *args, const uint16_t *ports)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(NULL, args);
	struct guard_rules rules = {0};
	char why[256] = "";

	assert_int_equal(guard_rules_make(&rules, conf, ports, why, sizeof(why)), 0);
	assert_string_equal(why, "");
	return rules;
}

static void assert_rule(const struct guard_rule *r, const char *ip, uint16_t port, unsigned set,
			bool judge)
{
	uint8_t want[16];

	assert_int_equal(inet_pton(AF_INET6, ip, want), 1);
	assert_memory_equal(r->at.ip, want, sizeof(want));
	assert_int_equal(r->at.port, htons(port));
	assert_int_equal(r->at.side, 0);
	assert_int_equal(r->listener.set, set);
	assert_int_equal(r->listener.judge, judge);
}

static void assert_prefix(const struct kedge_guard_prefix *p, const char *ip, unsigned bits,
			  unsigned set)
{
	uint8_t want[16];

	assert_int_equal(inet_pton(AF_INET6, ip, want), 1);
	assert_memory_equal(p->ip, want, sizeof(want));
	assert_int_equal(p->prefixlen, 64 + bits);
	assert_int_equal(p->set, set);
}

static void a_row_for_each_address_and_prefix(void **state)
{
	struct guard_rules r = rules_of(PROXY "--trust 10.0.0.0/8 --trust 2001:db8::/32 "
					      "--listen 192.0.2.1:443 --listen [2001:db8::1]:444",
					NULL);

	(void)state;
	assert_int_equal(r.rules_count, 2);
	assert_rule(&r.rules[0], "::ffff:192.0.2.1", 443, 0, true);
	/* The same list: the set of the first, of its own family. */
	assert_rule(&r.rules[1], "2001:db8::1", 444, 1, true);
	assert_int_equal(r.prefixes_count, 2);
	assert_prefix(&r.prefixes[0], "::ffff:10.0.0.0", 104, 0);
	assert_prefix(&r.prefixes[1], "2001:db8::", 32, 1);
	guard_rules_clear(&r);
}

static void both_families_have_a_wildcard_each(void **state)
{
	struct guard_rules r = rules_of(PROXY "--trust 0.0.0.0/0 --trust ::/0 --listen :443", NULL);

	(void)state;
	assert_int_equal(r.rules_count, 2);
	assert_rule(&r.rules[0], "::", 443, 1, true);
	assert_rule(&r.rules[1], "::ffff:0.0.0.0", 443, 0, true);
	assert_prefix(&r.prefixes[0], "::ffff:0.0.0.0", 96, 0);
	/* In a set without IPv4. */
	assert_prefix(&r.prefixes[1], "::", 0, 1);
	guard_rules_clear(&r);
	r = rules_of(PROXY "--trust ::/0 --listen [::]:443", NULL);
	assert_int_equal(r.rules_count, 1);
	assert_rule(&r.rules[0], "::", 443, 1, true);
	guard_rules_clear(&r);
}

static void who_reads_no_prefixes_judges_nobody(void **state)
{
	struct guard_rules r = rules_of("--app 127.0.0.1:9 --tls off --listen 192.0.2.1:80 "
					"--listen 192.0.2.1:81 --proxy-protocol optional --trust "
					"192.0.2.7",
					NULL);

	(void)state;
	assert_int_equal(r.rules_count, 2);
	assert_rule(&r.rules[0], "::ffff:192.0.2.1", 80, 0, false);
	assert_rule(&r.rules[1], "::ffff:192.0.2.1", 81, 2, true);
	assert_int_equal(r.prefixes_count, 1);
	assert_prefix(&r.prefixes[0], "::ffff:192.0.2.7", 128, 2);
	guard_rules_clear(&r);
}

static void lists_that_differ_are_sets_of_their_own(void **state)
{
	struct guard_rules r =
		rules_of("--app 127.0.0.1:9 --tls off "
			 "--listen 192.0.2.1:1 --proxy-protocol require --trust 10.0.0.1 "
			 "--listen 192.0.2.1:2 --proxy-protocol require --trust 10.0.0.2 "
			 "--listen 192.0.2.1:3 --proxy-protocol require --trust 10.0.0.1",
			 NULL);

	(void)state;
	assert_int_equal(r.rules[0].listener.set, 0);
	assert_int_equal(r.rules[1].listener.set, 2);
	assert_int_equal(r.rules[2].listener.set, 0);
	assert_int_equal(r.prefixes_count, 2);
	guard_rules_clear(&r);
}

static void a_port_of_the_kernels_choice_has_no_row_until_it_is_known(void **state)
{
	static const uint16_t ports[] = {4711, 0};
	static const char args[] =
		PROXY "--trust 10.0.0.1 --listen 192.0.2.1:0 --listen 192.0.2.1:0";
	struct guard_rules r = rules_of(args, NULL);

	(void)state;
	assert_int_equal(r.rules_count, 0);
	guard_rules_clear(&r);
	r = rules_of(args, ports);
	assert_int_equal(r.rules_count, 1);
	assert_rule(&r.rules[0], "::ffff:192.0.2.1", 4711, 0, true);
	guard_rules_clear(&r);
}

static void more_than_the_maps_can_hold_is_said(void **state)
{
	static char yaml[32 * KEDGE_GUARD_LISTENERS_MAX] = "listeners:\n";
	_cleanup_(conf_freep)
	struct conf *conf = NULL;
	struct guard_rules rules = {0};
	char why[256] = "";
	size_t len = strlen(yaml);

	(void)state;
	for (int i = 0; i <= KEDGE_GUARD_LISTENERS_MAX / 2; i++)
		len += (size_t)sprintf(yaml + len, "- listen: :%d\n", 1000 + i);
	conf = must_load(yaml, PROXY "--trust 10.0.0.1");
	assert_int_equal(guard_rules_make(&rules, conf, NULL, why, sizeof(why)), -E2BIG);
	assert_null(rules.rules);
	assert_non_null(strstr(why, "258 addresses and 1 prefixes are more than the 256 and 8192"));
}

/*
 * --- interfaces
 * -------------------------------------------------------------------------------------
 */

static struct sockaddr_in eth0_ip = {.sin_family = AF_INET}, lo_ip = {.sin_family = AF_INET};
static struct sockaddr_in6 eth1_ip = {.sin6_family = AF_INET6};
static struct sockaddr_in down_ip = {.sin_family = AF_INET};
static struct sockaddr eth2_mac = {.sa_family = AF_PACKET};

/* lo, eth0 with IPv4, eth1 with IPv6, eth2 and eth4 without an address, eth3 that is down. */
#define INTERFACE(next, name, flags, address)                                         \
	{                                                                             \
		.ifa_next = (next), .ifa_name = (char[]){name}, .ifa_flags = (flags), \
		.ifa_addr = (struct sockaddr *)(address)                              \
	}

static struct ifaddrs machine[] = {
	INTERFACE(&machine[1], "lo", IFF_UP | IFF_LOOPBACK, &lo_ip),
	INTERFACE(&machine[2], "eth2", IFF_UP, &eth2_mac),
	INTERFACE(&machine[3], "eth0", IFF_UP, &eth0_ip),
	INTERFACE(&machine[4], "eth1", IFF_UP, &eth1_ip),
	INTERFACE(&machine[5], "eth4", IFF_UP, NULL),
	INTERFACE(NULL, "eth3", 0, &down_ip),
};

/* The names, with blanks between; or what was said. */
static const char *interfaces_of(const char *flags)
{
	static char text[256];
	_cleanup_(freep)
	struct guard_interface *set = NULL;
	_cleanup_(conf_freep)
	struct conf *conf = must_load(NULL, flags);
	size_t count = 0, len = 0;

	inet_pton(AF_INET, "127.0.0.1", &lo_ip.sin_addr);
	inet_pton(AF_INET, "192.0.2.1", &eth0_ip.sin_addr);
	inet_pton(AF_INET6, "2001:db8::1", &eth1_ip.sin6_addr);
	inet_pton(AF_INET, "192.0.2.3", &down_ip.sin_addr);
	text[0] = '\0';
	if (guard_interfaces_find(&set, &count, conf, machine, text, sizeof(text)) < 0)
		return text;
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
					set[i].name);
	return text;
}

#define PLAIN "--app 127.0.0.1:9 --tls off "

static void interfaces_of_the_listeners(void **state)
{
	(void)state;
	assert_string_equal(interfaces_of(PLAIN "--listen 192.0.2.1:1"), "eth0");
	assert_string_equal(interfaces_of(PLAIN "--listen [2001:db8::1]:1 --listen 192.0.2.1:1"),
			    "eth1 eth0");
	/* Those that are up and have an address; loopback only if it is asked for. */
	assert_string_equal(interfaces_of(PLAIN "--listen :1"), "eth0 eth1");
	assert_string_equal(interfaces_of(PLAIN "--listen 0.0.0.0:1"), "eth0 eth1");
	assert_string_equal(interfaces_of(PLAIN "--listen 127.8.8.8:1"), "lo");
	assert_string_equal(interfaces_of(PLAIN "--listen [::1]:1 --listen [::]:2"),
			    "lo eth0 eth1");
	assert_string_equal(interfaces_of(PLAIN "--listen 192.0.2.9:1"),
			    "listener 192.0.2.9:1: no interface has its address: name the "
			    "interfaces in guard-interfaces");
}

static void interfaces_by_name(void **state)
{
	(void)state;
	assert_string_equal(interfaces_of("--guard-interfaces x --guard-interfaces y "
					  "--guard-interfaces x " PLAIN "--listen 192.0.2.1:1"),
			    "x y");
	assert_string_equal(interfaces_of("--guard-interfaces lo --guard-interfaces "
					  "all-listeners " PLAIN "--listen 192.0.2.1:1"),
			    "lo eth0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_for_each_address_and_prefix),
		cmocka_unit_test(both_families_have_a_wildcard_each),
		cmocka_unit_test(who_reads_no_prefixes_judges_nobody),
		cmocka_unit_test(lists_that_differ_are_sets_of_their_own),
		cmocka_unit_test(a_port_of_the_kernels_choice_has_no_row_until_it_is_known),
		cmocka_unit_test(more_than_the_maps_can_hold_is_said),
		cmocka_unit_test(interfaces_of_the_listeners),
		cmocka_unit_test(interfaces_by_name),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
