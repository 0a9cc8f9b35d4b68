/* SPDX-License-Identifier: BSD-2-Clause */
/* show.c: names, durations, numbers and folded lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/show.h"

static void a_name_is_printable_and_fits(void **state)
{
	static const struct {
		const char *text;
		unsigned columns;
		const char *shown;
		unsigned used;
	} cases[] = {
		{"", 5, "", 0},
		{"abc", 5, "abc", 3},
		{"abcde", 5, "abcde", 5},
		{"abcdef", 5, "abcd~", 5},
		{"abc", 0, "", 0},
		{"abc", 1, "~", 1},
		{"a\033[2Jb", 9, "a?[2Jb", 6},
		{"a\nb\x7f", 9, "a?b?", 4},
		{"a\xff\xfe", 9, "a??", 3},
		{"a\xc3", 9, "a?", 2}, /* cut in the middle */
		{"caf\xc3\xa9", 9, "caf\xc3\xa9", 4},
		{"\xe6\x97\xa5\xe6\x9c\xac", 4, "\xe6\x97\xa5\xe6\x9c\xac", 4},
		{"\xe6\x97\xa5\xe6\x9c\xac", 3, "\xe6\x97\xa5~", 3},
		{"\xe6\x97\xa5\xe6\x9c\xac", 2, "~", 1}, /* a wide one is not halved */
		{"e\xcc\x81", 9, "e?", 2},               /* nothing is put over another */
	};

	(void)state;
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[64];

		assert_int_equal(show_name(out, sizeof(out), cases[i].text, cases[i].columns),
				 cases[i].used);
		assert_string_equal(out, cases[i].shown);
	}
	setlocale(LC_CTYPE, "C");
}

static void without_a_locale_all_is_ascii(void **state)
{
	char out[64];

	(void)state;
	assert_int_equal(show_name(out, sizeof(out), "caf\xc3\xa9", 9), 5);
	assert_string_equal(out, "caf??");
}

static void a_name_is_not_longer_than_its_room(void **state)
{
	char out[6];

	(void)state;
	assert_int_equal(show_name(out, sizeof(out), "abcdefgh", 20), 5);
	assert_string_equal(out, "abcd~");
}

static void numbers_are_short(void **state)
{
	char buf[SHOW_DURATION];

	(void)state;
	assert_string_equal(show_duration(buf, 59), "59 s");
	assert_string_equal(show_duration(buf, 60), "1 min 0 s");
	assert_string_equal(show_duration(buf, 3599), "59 min 59 s");
	assert_string_equal(show_duration(buf, 3600), "1 h 0 min");
	assert_string_equal(show_duration(buf, 86400 * 3 + 7200), "3 d 2 h");
	show_duration(buf, UINT64_MAX);
	assert_string_equal(show_time_us(buf, 0), "0 us");
	assert_string_equal(show_time_us(buf, 999), "999 us");
	assert_string_equal(show_time_us(buf, 1500), "1.5 ms");
	assert_string_equal(show_time_us(buf, 15400), "15 ms");
	assert_string_equal(show_time_us(buf, 2500000), "2.5 s");
	assert_string_equal(show_time_us(buf, 67000000), "67 s");
	assert_string_equal(show_count(buf, 0), "0");
	assert_string_equal(show_count(buf, 999), "999");
	assert_string_equal(show_count(buf, 999.9), "1.0k");
	assert_string_equal(show_count(buf, 1234), "1.2k");
	assert_string_equal(show_count(buf, 9960), "10k");
	assert_string_equal(show_count(buf, 34e6), "34M");
	assert_string_equal(show_count(buf, 1e30), "1000000000000E");
	assert_string_equal(show_plural(buf, sizeof(buf), 1, "listener", "listeners"),
			    "1 listener");
	assert_string_equal(show_plural(buf, sizeof(buf), 0, "listener", "listeners"),
			    "0 listeners");
}

static char *folded(unsigned at, unsigned indent, const char *text)
{
	char *out = NULL;
	size_t len;
	FILE *to = open_memstream(&out, &len);

	show_folded(to, at, indent, text);
	fclose(to);
	return out;
}

static void lines_are_folded_at_spaces(void **state)
{
	char *out = folded(70, 4, "twelve bytes more than there is room for");

	(void)state;
	assert_string_equal(out, "twelve\n    bytes more than there is room for\n");
	free(out);
	out = folded(70, 4, "abc defgh"); /* to the last column */
	assert_string_equal(out, "abc defgh\n");
	free(out);
	out = folded(70, 4, "abc defghi");
	assert_string_equal(out, "abc\n    defghi\n");
	free(out);
	out = folded(0, 0, "");
	assert_string_equal(out, "\n");
	free(out);
	out = folded(0, 2, "a  b \x01");
	assert_string_equal(out, "a  b ?\n");
	free(out);
}

static void a_line_ends_at_a_space_or_a_character(void **state)
{
	static const struct {
		const char *text;
		unsigned columns;
		size_t bytes;
	} cases[] = {
		{"", 5, 0},
		{"abc", 5, 3},
		{"abc de", 6, 6},
		{"abc def", 6, 3},
		{"abc def", 3, 3},
		{"abc  def", 6, 3},
		{" abcdef", 4, 4}, /* no line is empty */
		{"abcdef", 4, 4},
		{"abcdef", 0, 1},
		{"a\xc3\xa9\xc3\xa9z", 2, 3},
		{"a\xe6\x97\xa5z", 2, 1}, /* it has two columns */
		{"\xe6\x97\xa5", 1, 3},   /* there is no room anywhere */
		{"a\xff\xfez", 3, 3},
		{"a\xff z", 3, 2},
	};

	(void)state;
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(show_line(cases[i].text, cases[i].columns), cases[i].bytes);
	setlocale(LC_CTYPE, "C");
}

static void a_long_name_has_a_line_of_its_own(void **state)
{
	char *out = NULL;
	size_t len;
	FILE *to = open_memstream(&out, &len);

	(void)state;
	show_column(to, 4, "ab");
	fputc('|', to);
	show_column(to, 4, "abcd");
	fputc('|', to);
	show_column(to, 4, "abcde");
	fputc('|', to);
	fclose(to);
	assert_string_equal(out, "ab  |abcd|abcde\n    |");
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_printable_and_fits),
		cmocka_unit_test(without_a_locale_all_is_ascii),
		cmocka_unit_test(a_name_is_not_longer_than_its_room),
		cmocka_unit_test(numbers_are_short),
		cmocka_unit_test(lines_are_folded_at_spaces),
		cmocka_unit_test(a_line_ends_at_a_space_or_a_character),
		cmocka_unit_test(a_long_name_has_a_line_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
