/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_put.c: labels of any bytes, such that a scraper reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "metrics/metrics_put.h"

static void a_family_has_two_lines(void **state)
{
	char *out = NULL;
	size_t len;
	FILE *to = open_memstream(&out, &len);

	(void)state;
	put_family(to, "kedge_x_total", "counter", "what it is");
	fclose(to);
	assert_string_equal(out, "# HELP kedge_x_total what it is\n# TYPE kedge_x_total counter\n");
	free(out);
}

static void a_label_is_quoted_and_is_utf8(void **state)
{
	static const struct {
		const char *value, *label;
	} cases[] = {
		{"", ""},
		{"a b", "a b"},
		{"a\"b\\c", "a\\\"b\\\\c"},
		{"a\nb\x7f\t", "a?b??"},
		{"caf\xc3\xa9", "caf\xc3\xa9"},
		{"\xe6\x97\xa5", "\xe6\x97\xa5"},
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
		/* and these are not */
		{"caf\xe9", "caf?"},
		{"caf\xc3", "caf?"},
		{"\xe6\x97", "??"},
		{"\xe6\x97x", "??x"},
		{"\xc3\xa9 \xff", "?? ?"}, /* then none of it */
		{"\xc0\xaf", "??"},        /* overlong */
		{"\xe0\x80\xaf", "???"},
		{"\xf0\x80\x80\xaf", "????"},
		{"\xed\xa0\x80", "???"}, /* a surrogate */
		{"\xf4\x90\x80\x80", "????"},
		{"\x80", "?"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *out = NULL;
		size_t len;
		FILE *to = open_memstream(&out, &len);

		put_label(to, cases[i].value);
		fclose(to);
		assert_string_equal(out, cases[i].label);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_has_two_lines),
		cmocka_unit_test(a_label_is_quoted_and_is_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
