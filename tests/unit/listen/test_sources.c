/* SPDX-License-Identifier: BSD-2-Clause */
/* sources.c: connections are counted by source address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

#include "listen/sources.h"

static union addr address(const char *text)
{
	const char *why;
	union addr a;

	assert_int_equal(addr_parse(&a, text, &why), 0);
	return a;
}

/* A host with IPv6 usually has a whole /64. */
static void what_is_one_address(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} pairs[] = {
		{"192.0.2.1:1", "192.0.2.1:2", true},
		{"192.0.2.1:1", "192.0.2.2:1", false},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:1", true},
		{"[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:1", false},
		{"[2001:db8::1]:1", "[2001:db8::ffff:1:2:3]:1", true},
		{"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false},
		{"[::1]:1", "0.0.0.0:1", false},
	};
	struct sources *s = sources_new();
	struct source *one, *two;

	(void)state;
	assert_non_null(s);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		union addr a = address(pairs[i].a), b = address(pairs[i].b);

		assert_int_equal(sources_enter(s, &one, &a, 1), 0);
		assert_int_equal(sources_enter(s, &two, &b, 1), pairs[i].same ? -EDQUOT : 0);
		sources_leave(s, two);
		sources_leave(s, one);
	}
	sources_free(s);
}

/* Separately from the accepted ones, and only a few per address. */
static void the_refused_are_counted_apart(void **state)
{
	struct source *served, *refused[SOURCES_REFUSED_MAX], *more;
	struct sources *s = sources_new();
	union addr a = address("192.0.2.1:1"), b = address("192.0.2.2:1");

	(void)state;
	assert_int_equal(sources_enter(s, &served, &a, 1), 0);
	for (int i = 0; i < SOURCES_REFUSED_MAX; i++)
		assert_int_equal(sources_refuse(s, &refused[i], &a), 0);
	assert_int_equal(sources_refuse(s, &more, &a), -EDQUOT);
	assert_null(more);
	assert_int_equal(sources_refuse(s, &more, &b), 0);
	sources_refuse_over(s, more);
	sources_leave(s, served);
	assert_int_equal(sources_enter(s, &served, &a, 1), 0);
	sources_leave(s, served);
	for (int i = 0; i < SOURCES_REFUSED_MAX; i++)
		sources_refuse_over(s, refused[i]);
	sources_refuse_over(s, NULL);
	sources_free(s);
}

static void many_addresses(void **state)
{
	enum { MANY = 20000 };
	static struct source *held[MANY][2];
	struct sources *s = sources_new();
	union addr a = {.in = {.sin_family = AF_INET}}, unix_peer = {.family = AF_UNIX};
	struct source *more;

	(void)state;
	for (int turn = 0; turn < 2; turn++)
		for (unsigned i = 0; i < MANY; i++) {
			a.in.sin_addr.s_addr = htonl(0x0a000000 + i);
			assert_int_equal(sources_enter(s, &held[i][turn], &a, 2), 0);
		}
	assert_int_equal(sources_enter(s, &more, &a, 2), -EDQUOT);
	for (unsigned i = 0; i < MANY; i++) {
		sources_leave(s, held[i][0]);
		sources_leave(s, held[i][1]);
	}
	/* All have left (the sanitizer finds a leak). A unix socket is not counted. */
	assert_int_equal(sources_enter(s, &more, &unix_peer, 1), 0);
	assert_null(more);
	sources_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_one_address),
		cmocka_unit_test(the_refused_are_counted_apart),
		cmocka_unit_test(many_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
