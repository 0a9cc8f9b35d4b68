/* SPDX-License-Identifier: BSD-2-Clause */
/* config_why.c: reasons with a quoted value. */
#include "config/config_why.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

static void a_long_value_is_quoted_in_part(void **state)
{
	char text[200] = "", quoted[QUOTED_MAX];
	const size_t fits = QUOTED_MAX - sizeof("\"...\"");

	memset(text, 'x', fits);
	config_quote(quoted, text);
	assert_int_equal(strlen(quoted), fits + 2);
	assert_string_equal(quoted + fits, "x\"");
	text[fits] = 'y';
	config_quote(quoted, text);
	assert_int_equal(strlen(quoted), QUOTED_MAX - 1);
	assert_string_equal(quoted + fits, "x...\"");
	assert_string_equal(config_quote(quoted, ""), "\"\"");
}

/* Together they may be longer than there is room: the end is cut off. */
static void a_reason_names_the_value(void **state)
{
	char why[WHY_MAX], what[2 * WHY_MAX];

	(void)state;
	assert_int_equal(why_refuse(why, "x", "is not one"), -EINVAL);
	assert_string_equal(why, "\"x\" is not one");
	memset(what, 'w', sizeof(what));
	what[sizeof(what) - 1] = '\0';
	assert_int_equal(why_refuse(why, "x", what), -EINVAL);
	assert_int_equal(strlen(why), WHY_MAX - 1);
	assert_int_equal(why_out_of_memory(why), -ENOMEM);
	assert_string_equal(why, "out of memory");
}

static void hidden(const char *text, const char *raw, const char *what, const char *said)
{
	char why[WHY_MAX];

	why_refuse(why, text, what);
	why_hide(why, text, raw);
	assert_string_equal(why, said);
}

static void a_value_of_the_environment_is_not_shown(void **state)
{
	char long_text[2 * WHY_MAX], why[WHY_MAX];

	(void)state;
	hidden("x", "${A}", "is not one of a, b", "the value of \"${A}\" is not one of a, b");
	hidden("", "${A}", "is empty", "the value of \"${A}\" is empty");
	hidden("secret", "${A}", "is bad: secret is",
	       "\"${A}\" has a value that is not valid here");
	memset(long_text, 's', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	hidden(long_text, "${A}", "is long", "the value of \"${A}\" is long");
	strcpy(why, "something else about secret");
	why_hide(why, "secret", "a${A}");
	assert_string_equal(why, "\"a${A}\" has a value that is not valid here");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_value_is_quoted_in_part),
		cmocka_unit_test(a_reason_names_the_value),
		cmocka_unit_test(a_value_of_the_environment_is_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
