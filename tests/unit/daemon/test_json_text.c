/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json_text.c: any text becomes a string, and UTF-8 stays as it is. What is missing is shown as
 * such.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/json_text.h"

static void check(const char *text, const char *expected)
{
	json_t *string = json_text(text);

	assert_non_null(string);
	assert_string_equal(json_string_value(string), expected);
	json_decref(string);
}

static void utf8_stays(void **state)
{
	(void)state;
	check("", "");
	check("a\n\"\\\x01", "a\n\"\\\x01");
	check("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7",
	      "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7");
}

static void other_bytes_become_question_marks(void **state)
{
	(void)state;
	check("unix:/caf\xe9", "unix:/caf?");   /* Latin-1 */
	check("cut: \xe2\x82", "cut: ??");      /* in the middle of a character */
	check("\xc0\x80", "??");                /* overlong */
	check("\xed\xa0\x80", "???");           /* half of a surrogate pair */
	check("\xc3\xbc and \xff", "?? and ?"); /* one bad byte: no other one is kept */
}

static void a_member_or_what_stands_for_none(void **state)
{
	json_t *object = json_pack("{s:s, s:I}", "text", "a", "number", (json_int_t)1 << 40);

	(void)state;
	assert_string_equal(json_text_of(object, "text"), "a");
	assert_true(json_number_of(object, "number") == 1LL << 40);
	assert_string_equal(json_text_of(object, "number"), "?");
	assert_int_equal(json_number_of(object, "text"), 0);
	assert_string_equal(json_text_of(object, "none"), "?");
	assert_int_equal(json_number_of(object, "none"), 0);
	assert_string_equal(json_text_of(NULL, "text"), "?");
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_stays),
		cmocka_unit_test(other_bytes_become_question_marks),
		cmocka_unit_test(a_member_or_what_stands_for_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
