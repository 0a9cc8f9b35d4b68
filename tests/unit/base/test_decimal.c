/* SPDX-License-Identifier: BSD-2-Clause */
/* user/base/decimal.c: digits, nothing but digits, and not above the limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/decimal.h"
#include "tests/lib/guard.h"

#define UNTOUCHED 0xaaaaaaaaaaaaaaaaULL
#define COUNT(a)  (sizeof(a) / sizeof(*(a)))

typedef bool parse_fn(const char *text, size_t len, uint64_t max, uint64_t *out);

/* Reads text from memory that ends with it: there is no terminator to look at. */
static bool parse(parse_fn *fn, const char *text, uint64_t max, uint64_t *out)
{
	struct guard g;
	bool answer;

	*out = UNTOUCHED;
	guard_new(&g, text, strlen(text), GUARD_AFTER);
	answer = fn((const char *)g.data, g.len, max, out);
	guard_free(&g);
	return answer;
}

static void must_be(parse_fn *fn, const char *text, uint64_t max, uint64_t want)
{
	uint64_t got;

	if (!parse(fn, text, max, &got) || got != want)
		fail_msg("%s, at most %lu: %lu", text, (unsigned long)max, (unsigned long)got);
}

static void must_not_be(parse_fn *fn, const char *text, uint64_t max)
{
	uint64_t got;

	if (parse(fn, text, max, &got) || got != UNTOUCHED)
		fail_msg("%s, at most %lu: %lu", text, (unsigned long)max, (unsigned long)got);
}

static void digits_are_a_number(void **state)
{
	must_be(decimal_parse, "0", 65535, 0);
	must_be(decimal_parse, "9", 65535, 9);
	must_be(decimal_parse, "10", 65535, 10);
	must_be(decimal_parse, "1234567890", UINT64_MAX, 1234567890);
	must_be(decimal_parse_plain, "0", 65535, 0);
	must_be(decimal_parse_plain, "1234567890", UINT64_MAX, 1234567890);
}

/* Every limit is exact, also those where ten times the value does not fit any more. */
static void a_number_is_at_most_the_limit(void **state)
{
	static const struct {
		uint64_t max;
		const char *last, *next;
	} limits[] = {
		{0, "0", "1"},
		{9, "9", "10"},
		{10, "10", "11"},
		{32, "32", "33"},
		{99, "99", "100"},
		{65535, "65535", "65536"},
		{UINT32_MAX, "4294967295", "4294967296"},
		{INT64_MAX, "9223372036854775807", "9223372036854775808"},
		{UINT64_MAX - 6, "18446744073709551609", "18446744073709551610"},
		{UINT64_MAX, "18446744073709551615", "18446744073709551616"},
	};

	for (size_t i = 0; i < COUNT(limits); i++) {
		must_be(decimal_parse, limits[i].last, limits[i].max, limits[i].max);
		must_not_be(decimal_parse, limits[i].next, limits[i].max);
		must_be(decimal_parse_plain, limits[i].last, limits[i].max, limits[i].max);
		must_not_be(decimal_parse_plain, limits[i].next, limits[i].max);
	}
	/* What comes out of it modulo 2^64 is below the limit. */
	must_not_be(decimal_parse, "18446744073709551617", 65535);
	must_not_be(decimal_parse, "99999999999999999999999999999999", UINT64_MAX);
}

static void anything_else_is_refused(void **state)
{
	static const char *const texts[] = {"",    " ",   "+1", "-1", "1 ", " 1",  "1,2",  "1.0",
					    "0x1", "1e3", "a",  "/",  ":",  "1\r", "\xb1", "\xff"};

	for (size_t i = 0; i < COUNT(texts); i++) {
		must_not_be(decimal_parse, texts[i], UINT64_MAX);
		must_not_be(decimal_parse_plain, texts[i], UINT64_MAX);
	}
	/* A NUL does not end it. */
	assert_false(decimal_parse("1\0", 2, 65535, &(uint64_t){0}));
	/* Without a byte there may be no text. */
	assert_false(decimal_parse(NULL, 0, 65535, &(uint64_t){0}));
	assert_false(decimal_parse_plain(NULL, 0, 65535, &(uint64_t){0}));
}

static void leading_zeros_are_read_by_one_and_refused_by_the_other(void **state)
{
	must_be(decimal_parse, "00", 65535, 0);
	must_be(decimal_parse, "0443", 65535, 443);
	must_be(decimal_parse, "000000000000000000000000000000005", 65535, 5);
	must_not_be(decimal_parse_plain, "00", 65535);
	must_not_be(decimal_parse_plain, "0443", 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digits_are_a_number),
		cmocka_unit_test(a_number_is_at_most_the_limit),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(leading_zeros_are_read_by_one_and_refused_by_the_other),
	};

	return cmocka_run_group_tests_name("decimal", tests, NULL, NULL);
}
