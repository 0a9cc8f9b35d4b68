/* SPDX-License-Identifier: BSD-2-Clause */
/* config_env.c: what is a variable, what is not, and what is said. */
#include "config/config_env.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/no_memory.h"

static int begin(void **state)
{
	(void)state;
	setenv("KT_A", "alpha", 1);
	setenv("KT_EMPTY", "", 1);
	setenv("_9", "nine", 1);
	setenv("KT_ODD", "${KT_A} $$ }: \n- [x]", 1);
	unsetenv("KT_NONE");
	return 0;
}

static void variables_become_their_values(void **state)
{
	static const struct {
		const char *text, *whole;
	} rows[] = {
		{"${KT_A}", "alpha"},
		{"x${KT_A}y${_9}z", "xalphayninez"},
		{"${KT_A}${KT_A}", "alphaalpha"},
		{"${KT_EMPTY}", ""},
		{"[${KT_EMPTY}]", "[]"},
		{"${KT_A:-b}", "alpha"},
		{"${KT_NONE:-127.0.0.1:80}", "127.0.0.1:80"},
		{"${KT_EMPTY:-b}", "b"},
		{"${KT_NONE:-}", ""},
		{"${KT_NONE:-:-{}", ":-{"},
		{"$$", "$"},
		{"$${KT_A}", "${KT_A}"},
		{"a$$$$b", "a$$b"},
		{"$$${KT_A}$$", "$alpha$"},
		/* Not a second time, and never as YAML. */
		{"${KT_ODD}", "${KT_A} $$ }: \n- [x]"},
	};
	char why[WHY_MAX], *whole;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		whole = NULL;
		assert_int_equal(config_env_expand(&whole, rows[i].text, 1000, why), 0);
		assert_string_equal(whole, rows[i].whole);
		free(whole);
	}
}

static void a_text_without_one_stays(void **state)
{
	static const char *const texts[] = {"", "x", "{KT_A}", "a}b", "%KT_A%"};
	char why[WHY_MAX], *whole = (char *)texts;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(config_env_expand(&whole, texts[i], 0, why), 0);
		assert_null(whole);
	}
}

#define NAME_IS "\"${\" must be followed by the name of a variable: letters, digits and \"_\""

static void what_is_neither_is_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"$", "a \"$\" is written \"$$\"; a variable is ${NAME}"},
		{"x$", "a \"$\" is written \"$$\"; a variable is ${NAME}"},
		{"$KT_A", "a \"$\" is written \"$$\"; a variable is ${NAME}"},
		{"$(KT_A)", "a \"$\" is written \"$$\"; a variable is ${NAME}"},
		{"$$$", "a \"$\" is written \"$$\"; a variable is ${NAME}"},
		{"${", "\"${\" has no \"}\" behind it"},
		{"${KT_A", "\"${\" has no \"}\" behind it"},
		{"${}", NAME_IS},
		{"${:-x}", NAME_IS},
		{"${9}", NAME_IS},
		{"${ KT_A}", NAME_IS},
		{"${-}", NAME_IS},
		{"${KT_A }", "\"${KT_A\" must be followed by \"}\", or by \":-\" and a default"},
		{"${KT_A-x}", "\"${KT_A\" must be followed by \"}\", or by \":-\" and a default"},
		{"${KT_A:x}", "\"${KT_A\" must be followed by \"}\", or by \":-\" and a default"},
		{"${KT_A:?x}", "\"${KT_A\" must be followed by \"}\", or by \":-\" and a default"},
		{"${KT_NONE:-${KT_A}}",
		 "the default of ${KT_NONE} has a \"$\", and is not expanded itself"},
		{"${KT_A:-$$}", "the default of ${KT_A} has a \"$\", and is not expanded itself"},
		{"a${KT_NONE}b",
		 "the environment variable KT_NONE is not set: set it where kedge is "
		 "started, or give a default, ${KT_NONE:-DEFAULT}"},
	};
	char why[WHY_MAX], *whole = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(config_env_expand(&whole, rows[i].text, 1000, why), -EINVAL);
		assert_string_equal(why, rows[i].why);
		assert_null(whole);
	}
}

static void a_name_may_be_long_but_not_longer(void **state)
{
	char text[300] = "${", name[128] = "", why[WHY_MAX], *whole = NULL;

	(void)state;
	memset(name, 'N', 127);
	setenv(name, "v", 1);
	strcat(strcat(text, name), "}");
	assert_int_equal(config_env_expand(&whole, text, 9, why), 0);
	assert_string_equal(whole, "v");
	free(whole);
	strcpy(text, "${N");
	strcat(strcat(text, name), "}");
	assert_int_equal(config_env_expand(&whole, text, 9, why), -EINVAL);
	assert_string_equal(why, NAME_IS);
}

/* A small file must not become a large one. */
static void there_is_a_limit(void **state)
{
	char why[WHY_MAX], *whole = NULL;

	(void)state;
	assert_int_equal(config_env_expand(&whole, "x${KT_A}", 6, why), 0);
	free(whole);
	assert_int_equal(config_env_expand(&whole, "x${KT_A}", 5, why), -EINVAL);
	assert_string_equal(why,
			    "too long: the values of the variables in a file have 1 MiB at most");
	assert_int_equal(config_env_expand(&whole, "$$", 0, why), -EINVAL);
}

static void without_memory_nothing_is_left(void **state)
{
	char why[WHY_MAX], *whole = NULL;

	(void)state;
	for (int i = 0; i < 3; i++) {
		no_memory_after = i;
		assert_int_equal(config_env_expand(&whole, "x${KT_A}y", 99, why), -ENOMEM);
		no_memory_after = -1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(variables_become_their_values),
		cmocka_unit_test(a_text_without_one_stays),
		cmocka_unit_test(what_is_neither_is_refused),
		cmocka_unit_test(a_name_may_be_long_but_not_longer),
		cmocka_unit_test(there_is_a_limit),
		cmocka_unit_test(without_memory_nothing_is_left),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
