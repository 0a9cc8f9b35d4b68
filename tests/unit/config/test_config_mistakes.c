/* SPDX-License-Identifier: BSD-2-Clause */
/* config_mistakes.c: the format of a mistake, and the number that is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "config/config_mistakes.h"
#include "tests/lib/heard.h"
#include "tests/lib/loading.h"

static void a_place_is_file_line_and_path(void **state)
{
	char path[] = "listeners[0].tls";
	const struct {
		struct place at;
		const char *said;
	} cases[] = {
		{{"kedge.yaml", 12, path}, "error: kedge.yaml:12: listeners[0].tls: x 7\n"},
		{{"kedge.yaml", 12, NULL}, "error: kedge.yaml:12: x 7\n"},
		{{"kedge.yaml", 0, NULL}, "error: kedge.yaml: x 7\n"},
		{{NULL, 0, path}, "error: listeners[0].tls: x 7\n"},
		{{NULL, 0, NULL}, "error: x 7\n"},
		{{"f", 1, (char[]){""}}, "error: f:1: x 7\n"},
	};
	struct mistakes m = {0};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		heard_begin();
		mistake(&m, &cases[i].at, "x %d", 7);
		heard_end();
		assert_string_equal(heard, cases[i].said);
		assert_int_equal(m.count, i + 1);
	}
	heard_begin();
	config_warn(&cases[0].at, "y");
	heard_end();
	assert_string_equal(heard, "warning: kedge.yaml:12: listeners[0].tls: y\n");
}

/* A message is one line, cut if it is too long. */
static void a_long_message_is_cut(void **state)
{
	char path[1000], text[5000];
	const struct place at = {"f", 1, path};
	struct mistakes m = {0};

	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	memset(text, 't', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	heard_begin();
	mistake(&m, &at, "%s", text);
	heard_end();
	assert_int_equal(strchr(heard, '\n') - heard, strlen(heard) - 1);
	assert_true(strlen(heard) > 1500 && strlen(heard) < 2100);
	assert_heard("pp: tt");
}

static void the_count_goes_on_above_the_limit(void **state)
{
	const struct place at = {"f", 1, NULL};
	struct mistakes m = {.count = CONFIG_MISTAKES_MAX - 1};

	heard_begin();
	mistake(&m, &at, "shown");
	mistake(&m, &at, "not shown");
	heard_end();
	assert_string_equal(heard, "error: f:1: shown\n");
	assert_int_equal(m.count, CONFIG_MISTAKES_MAX + 1);
}

static size_t count_lines(const char *text)
{
	size_t lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

static void only_the_first_mistakes_of_very_many_are_shown(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = {0};
	char yaml[4096] = "xff-trust:\n";
	size_t len = strlen(yaml);

	for (int i = 0; i < 100; i++)
		len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "- bad%d\n", i);
	l = load_yaml(yaml, FINE);
	assert_int_equal(l.status, -EINVAL);
	assert_int_equal(count_lines(l.err), CONFIG_MISTAKES_MAX + 1);
	assert_non_null(strstr(l.err, "kedge: error: ... and 36 more mistakes\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_place_is_file_line_and_path),
		cmocka_unit_test(a_long_message_is_cut),
		cmocka_unit_test(the_count_goes_on_above_the_limit),
		cmocka_unit_test(only_the_first_mistakes_of_very_many_are_shown),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
