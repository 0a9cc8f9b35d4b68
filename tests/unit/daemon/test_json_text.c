/* SPDX-License-Identifier: BSD-2-Clause */
/* json_text.c: any text becomes a string, and UTF-8 stays as it is. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_stays),
		cmocka_unit_test(other_bytes_become_question_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
