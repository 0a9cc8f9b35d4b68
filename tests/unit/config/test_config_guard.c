/* SPDX-License-Identifier: BSD-2-Clause */
/* config_guard.c: a listener that no client could reach through the guard is a mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "config/config_guard.h"
#include "tests/lib/heard.h"

/* The message for a listener at `listen` with these prefixes; "": none. */
static const char *check(enum guard_mode mode, enum conf_proxy proxy, const char *listen,
			 bool both_families, const char *trust_1, const char *trust_2)
{
	const struct conf_guard guard = {.mode = mode};
	const struct place at = {"f", 3, (char[]){"listeners[0]"}};
	struct cidr set[2];
	struct conf_listener l = {.proxy = proxy, .both_families = both_families, .trust.set = set};
	struct mistakes m = {0};
	const char *why;

	assert_int_equal(addr_parse(&l.addr, listen, &why), 0);
	addr_format(l.name, &l.addr);
	if (trust_1)
		assert_int_equal(cidr_parse(&set[l.trust.count++], trust_1, &why), 0);
	if (trust_2)
		assert_int_equal(cidr_parse(&set[l.trust.count++], trust_2, &why), 0);
	heard_begin();
	config_check_guard(&guard, &l, &at, &m);
	heard_end();
	assert_int_equal(m.count, heard[0] ? 1 : 0);
	return heard;
}

#define REQUIRE  PROXY_PREFIX_REQUIRE
#define OPTIONAL PROXY_PREFIX_OPTIONAL

static void only_a_guarded_listener_with_prefixes_is_judged(void **state)
{
	assert_string_equal(check(GUARD_OFF, REQUIRE, "[::1]:1", false, NULL, NULL), "");
	assert_string_equal(check(GUARD_AUTO, PROXY_PREFIX_OFF, "[::1]:1", false, NULL, NULL), "");
	assert_string_equal(
		check(GUARD_NATIVE, PROXY_PREFIX_OFF, "[::1]:1", false, "10.0.0.0/8", NULL), "");
}

static void nobody_is_trusted(void **state)
{
	static const enum guard_mode modes[] = {GUARD_AUTO, GUARD_NATIVE, GUARD_GENERIC};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		for (int both = 0; both < 2; both++)
			assert_string_equal(
				check(modes[i], i ? REQUIRE : OPTIONAL, "[::]:1", both, NULL, NULL),
				"error: f:3: listeners[0]: guard: nobody could connect: give "
				"trust, the addresses of the balancers\n");
}

static void trust_has_a_prefix_of_the_listeners_family(void **state)
{
	assert_string_equal(check(GUARD_AUTO, REQUIRE, "127.0.0.1:1", false, "10.0.0.0/8", NULL),
			    "");
	assert_string_equal(check(GUARD_AUTO, REQUIRE, "127.0.0.1:1", false, "::1", "10.0.0.0/8"),
			    "");
	assert_string_equal(check(GUARD_AUTO, REQUIRE, "127.0.0.1:1", false, "::1", NULL),
			    "error: f:3: listeners[0]: guard: nobody could connect: trust has no "
			    "IPv4 prefix, and 127.0.0.1:1 is reached by no other\n");
	assert_string_equal(check(GUARD_AUTO, OPTIONAL, "[::1]:1", false, "::/0", NULL), "");
	assert_string_equal(
		check(GUARD_AUTO, OPTIONAL, "[::1]:1", false, "10.0.0.0/8", "0.0.0.0/0"),
		"error: f:3: listeners[0]: guard: nobody could connect: trust has no "
		"IPv6 prefix, and [::1]:1 is reached by no other\n");
}

/* A prefix of either family is enough for a socket of both. */
static void both_families_need_one_prefix_of_any(void **state)
{
	assert_string_equal(check(GUARD_AUTO, REQUIRE, "[::]:1", true, "10.0.0.0/8", NULL), "");
	assert_string_equal(check(GUARD_AUTO, REQUIRE, "[::]:1", true, "2001:db8::/32", NULL), "");
	assert_string_not_equal(check(GUARD_AUTO, REQUIRE, "[::]:1", false, "10.0.0.0/8", NULL),
				"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_guarded_listener_with_prefixes_is_judged),
		cmocka_unit_test(nobody_is_trusted),
		cmocka_unit_test(trust_has_a_prefix_of_the_listeners_family),
		cmocka_unit_test(both_families_need_one_prefix_of_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
