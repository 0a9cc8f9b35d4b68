/* SPDX-License-Identifier: BSD-2-Clause */
/* config_help.c: the table of options as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "config/config_help.h"
#include "config/config_table.h"
#include "tests/lib/loading.h"

static void help_of_check_has_more(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	(void)state;
	config_write_usage(to, "check");
	fclose(to);
	assert_non_null(strstr(text, "\n       kedge check --schema\n"));
	assert_non_null(strstr(text, "\n  --schema                    prints a JSON schema"));
	assert_non_null(strstr(text, "\n  --reference                 prints the tables"));
	free(text);
	to = open_memstream(&text, &len);
	config_write_usage(to, "run");
	fclose(to);
	assert_null(strstr(text, "--schema"));
	free(text);
}

static void help_shows_every_option(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = load("--help");

	assert_int_equal(l.status, 1);
	assert_string_equal(l.err, "");
	assert_non_null(strstr(l.out, "usage: kedge run [-c FILE] [OPTION [VALUE]]...\n\n"));
	for (size_t i = 0; i < config_options_count; i++) {
		char flag[64];

		snprintf(flag, sizeof(flag), "\n  --%s ", config_options[i].name);
		if (option_is_no_flag(&config_options[i]))
			assert_null(strstr(l.out, flag)); /* a key of apps or routes alone */
		else
			assert_non_null(strstr(l.out, flag));
	}
	for (char *line = strtok(l.out, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 100);
}

/* The text between two lines of a document is up to date. */
static void assert_written(const char *path, const char *begin_mark, const char *end_mark,
			   void (*write_it)(FILE *))
{
	_cleanup_(freep)
	char *text = read_tree(path), *ours = NULL;
	char *begin = strstr(text, begin_mark);
	char *end = strstr(text, end_mark);
	FILE *to;
	size_t len;

	assert_true(begin && end);
	begin += strlen(begin_mark);
	*end = '\0';
	to = open_memstream(&ours, &len);
	assert_non_null(to);
	write_it(to);
	fclose(to);
	/* If this fails, run `make reference`. */
	assert_string_equal(begin, ours);
}

static void the_reference_in_the_documentation_is_ours(void **state)
{
	assert_written("docs/configuration.md", "<!-- reference -->\n", "<!-- end of reference -->",
		       config_write_reference);
	assert_written("docs/man/kedge.yaml.5", ".\\\" reference\n", ".\\\" end of reference\n",
		       config_write_man);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help_shows_every_option),
		cmocka_unit_test(help_of_check_has_more),
		cmocka_unit_test(the_reference_in_the_documentation_is_ours),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
