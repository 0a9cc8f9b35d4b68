/* SPDX-License-Identifier: BSD-2-Clause */
/* option_mistake.c: each kind of mistake, as getopt_long(3) reports it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <getopt.h>

#include "daemon/option_mistake.h"
#include "tests/lib/heard.h"

static void says(const char *word, const char *expected)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"cgroup", required_argument, NULL, 'g'},
		{NULL, 0, NULL, 0},
	};
	char name[] = "probe", *argv[] = {name, (char *)word, NULL};
	int opt;

	heard_begin();
	optind = 0;
	opterr = 0;
	opt = getopt_long(2, argv, ":hn:", options, NULL);
	option_mistake("probe", opt, argv, options);
	assert_string_equal(heard, expected);
	heard_end();
}

static void the_option_that_was_meant_is_named(void **state)
{
	(void)state;
	says("--jsno", "error: --jsno: unknown option; did you mean --json?\n");
	says("--cgruop=/x", "error: --cgruop=/x: unknown option; did you mean --cgroup?\n");
	says("--bogus", "error: --bogus: unknown option: see kedge probe --help\n");
	says("-x", "error: -x: unknown option: see kedge probe --help\n");
}

static void values(void **state)
{
	(void)state;
	says("--cgroup", "error: --cgroup: needs a value: see kedge probe --help\n");
	says("-n", "error: -n: needs a value: see kedge probe --help\n");
	says("--json=yes", "error: --json=yes: takes no value: see kedge probe --help\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_option_that_was_meant_is_named),
		cmocka_unit_test(values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
