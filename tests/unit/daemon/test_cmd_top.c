/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_top.c: options, batches, and what is refused before the screen is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "daemon/control_ask.h"
#include "tests/lib/loading.h"

static unsigned asked, there_are; /* after so many, nobody answers */
static char asked_path[128];

static json_t *fake_try(const char *path, const char *command, unsigned ms, char why[CONTROL_WHY])
{
	assert_string_equal(command, "status");
	snprintf(asked_path, sizeof(asked_path), "%s", path);
	snprintf(why, CONTROL_WHY, "nobody is there");
	if (asked++ >= there_are)
		return NULL;
	return json_pack("{s:i, s:i, s:i}", "pid", 1, "uptime_ms", (int)asked * 1000, "requests",
			 (int)asked * 5);
}

#define control_try fake_try
#include "daemon/cmd_top.c"
#undef control_try

static struct loaded top(const char *args)
{
	optind = 0; /* getopt_long(3) begins again */
	asked = 0;
	return run_command(cmd_top, "top", args);
}

static void batches_are_counted(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = {0};
	const char *second;

	(void)state;
	there_are = 10;
	l = top("-b -n 2 --interval 0.1 --control /c");
	assert_int_equal(l.status, EXIT_DONE);
	assert_int_equal(asked, 3); /* a rate needs one more */
	assert_string_equal(asked_path, "/c");
	assert_non_null(strstr(l.out, "\nrequests 5.0/s "));
	second = strstr(l.out + 1, "\n\nkedge ");
	assert_non_null(second);
	assert_null(strstr(second + 2, "\n\nkedge "));
	assert_string_equal(l.err, "");
}

static void a_kedge_that_goes_away_ends_a_batch(void **state)
{
	_cleanup_(loaded_free)
	struct loaded none = {0}, one = {0};

	(void)state;
	there_are = 0;
	none = top("--batch --count 5 --interval 0.1");
	assert_int_equal(none.status, EXIT_FAILED);
	assert_string_equal(none.out, "");
	assert_non_null(strstr(none.err, "nobody is there"));
	there_are = 2;
	one = top("--batch --count 5 --interval 0.1");
	assert_int_equal(one.status, EXIT_FAILED);
	assert_non_null(strstr(one.out, "\nrequests 5.0/s "));
	assert_non_null(strstr(one.err, "nobody is there"));
}

static void mistakes_ask_nobody(void **state)
{
	static const struct {
		const char *args, *says;
	} cases[] = {
		{"", "use --batch"}, /* its output is a file here */
		{"--interval 0", "--interval 0: seconds, from 0.1 to 3600"},
		{"--interval 3601", "seconds, from"},
		{"--interval 1s", "seconds, from"},
		{"--interval nan", "seconds, from"},
		{"-n 0", "-n 0: a number, from 1 on"},
		{"-n -3", "a number"},
		{"-n x", "a number"},
		{"word", "word: not an option: see kedge top --help"},
		{"--jason", "unknown option: see kedge top --help"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(loaded_free)
		struct loaded l = top(cases[i].args);

		assert_int_equal(l.status, EXIT_USAGE);
		assert_int_equal(asked, 0);
		assert_string_equal(l.out, "");
		if (!strstr(l.err, cases[i].says))
			fail_msg("%s: %s", cases[i].args, l.err);
	}
}

static void help_asks_nobody(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = top("--help");

	(void)state;
	assert_int_equal(l.status, EXIT_DONE);
	assert_int_equal(asked, 0);
	assert_int_equal(strncmp(l.out, "usage: kedge top ", 17), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_are_counted),
		cmocka_unit_test(a_kedge_that_goes_away_ends_a_batch),
		cmocka_unit_test(mistakes_ask_nobody),
		cmocka_unit_test(help_asks_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
