/* SPDX-License-Identifier: BSD-2-Clause */
/* guard_rules.c: which rows the guard is given for a configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "guard/guard_rules.h"
#include "tests/lib/loading.h"

#define PROXY "--app 127.0.0.1:9 --tls off --proxy-protocol require "

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

static void a_listener_without_prefixes_judges_no_source(void **state)
{
	struct guard_rules r = rules_of("--app 127.0.0.1:9 --tls off --listen 192.0.2.1:80 "
					"--listen 192.0.2.1:81 --proxy-protocol "
					"optional --trust 192.0.2.7",
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

static void a_listener_on_a_unix_socket_is_nothing_to_guard(void **state)
{
	struct guard_rules r = {0};
	struct conf_listener listener = {.addr.family = AF_UNIX, .proxy = PROXY_PREFIX_REQUIRE};
	struct conf conf = {.listeners = &listener, .listeners_count = 1};
	const uint16_t port = 443;
	char why[64] = "";

	(void)state;
	assert_int_equal(guard_rules_make(&r, &conf, &port, why, sizeof(why)), 0);
	assert_int_equal(r.rules_count, 0);
	assert_int_equal(r.prefixes_count, 0);
	guard_rules_clear(&r);
	guard_rules_clear(&r); /* twice is fine */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_for_each_address_and_prefix),
		cmocka_unit_test(both_families_have_a_wildcard_each),
		cmocka_unit_test(a_listener_without_prefixes_judges_no_source),
		cmocka_unit_test(lists_that_differ_are_sets_of_their_own),
		cmocka_unit_test(a_port_of_the_kernels_choice_has_no_row_until_it_is_known),
		cmocka_unit_test(more_than_the_maps_can_hold_is_said),
		cmocka_unit_test(a_listener_on_a_unix_socket_is_nothing_to_guard),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
