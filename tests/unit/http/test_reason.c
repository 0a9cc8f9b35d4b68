/* SPDX-License-Identifier: BSD-2-Clause */
/* user/http/reason.c: every reason has a name, a text, a next step and a level. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "http/reason.h"

static void every_reason_has_a_name_and_a_text(void **state)
{
	(void)state;
	for (int i = 0; i < KEDGE_REASON_COUNT; i++) {
		assert_true(strlen(reason_name(i)) > 0);
		assert_true(strlen(reason_text(i)) > 0);
		assert_true(strlen(reason_next(i)) > 0);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(reason_name(i), reason_name(j));
	}
	assert_string_equal(reason_name(KEDGE_REASON_app_gone), "app_gone");
	assert_string_equal(reason_text(KEDGE_REASON_app_gone),
			    "application closed without an answer");
}

/* The first answer may be missing because the application speaks TLS, a later one because it closed
 * first. */
static void both_causes_of_a_missing_answer_are_named(void **state)
{
	const char *next = reason_next(KEDGE_REASON_app_gone);

	(void)state;
	assert_non_null(strstr(next, "plain HTTP"));
	assert_non_null(strstr(next, "app-idle-timeout-ms"));
}

/* One line, and a sentence that goes on behind "next step: ". */
static void the_next_step_reads_well(void **state)
{
	(void)state;
	for (int i = 1; i < KEDGE_REASON_COUNT; i++) {
		const char *next = reason_next(i);

		assert_null(strchr(next, '\n'));
		assert_true(next[strlen(next) - 1] != '.');
		assert_true(strlen(next) < 160 && strlen(reason_text(i)) < 160);
	}
}

static void level_of_some(void **state)
{
	(void)state;
	assert_int_equal(reason_level(KEDGE_REASON_client_gone), LOG_LEVEL_DEBUG);
	assert_int_equal(reason_level(KEDGE_REASON_prefix_bad), LOG_LEVEL_INFO);
	assert_int_equal(reason_level(KEDGE_REASON_app_refused), LOG_LEVEL_WARN);
	for (int i = 0; i < KEDGE_REASON_COUNT; i++)
		assert_true(reason_level(i) >= LOG_LEVEL_WARN);
}

static void status_of_some(void **state)
{
	(void)state;
	assert_int_equal(reason_status(KEDGE_REASON_NONE), 0);
	assert_int_equal(reason_status(KEDGE_REASON_client_reset), 0);
	assert_int_equal(reason_status(KEDGE_REASON_http_host), 400);
	assert_int_equal(reason_status(KEDGE_REASON_http_line_too_long), 414);
	assert_int_equal(reason_status(KEDGE_REASON_http_head_too_large), 431);
	assert_int_equal(reason_status(KEDGE_REASON_head_timeout), 408);
	assert_int_equal(reason_status(KEDGE_REASON_app_gone), 502);
	assert_int_equal(reason_status(KEDGE_REASON_app_timeout), 504);
}

/* A number that is no reason, as in a damaged note. */
static void a_number_out_of_range(void **state)
{
	(void)state;
	assert_string_equal(reason_name(KEDGE_REASON_COUNT), "internal_error");
	assert_string_equal(reason_name((enum kedge_reason)255), "internal_error");
	assert_string_equal(reason_name((enum kedge_reason) - 1), "internal_error");
	assert_int_equal(reason_status((enum kedge_reason) - 1), 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_a_name_and_a_text),
		cmocka_unit_test(the_next_step_reads_well),
		cmocka_unit_test(both_causes_of_a_missing_answer_are_named),
		cmocka_unit_test(level_of_some),
		cmocka_unit_test(status_of_some),
		cmocka_unit_test(a_number_out_of_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
