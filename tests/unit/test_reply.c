/* reply.c: every reason has a name and a text, and those with a status a whole, short answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"
#include "response.h"
#include "tests/lib/guard.h"

static void every_reason_has_a_name_and_a_text(void **state)
{
	(void)state;
	for (int i = 0; i < KEDGE_REASON_COUNT; i++) {
		assert_true(strlen(reason_name(i)) > 0);
		assert_true(strlen(reason_text(i)) > 0);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(reason_name(i), reason_name(j));
	}
	assert_string_equal(reason_name(KEDGE_REASON_app_gone), "app_gone");
	assert_string_equal(reason_text(KEDGE_REASON_app_gone),
			    "application closed without an answer");
}

static void status_of_some(void **state)
{
	(void)state;
	assert_int_equal(reply_status(KEDGE_REASON_NONE), 0);
	assert_int_equal(reply_status(KEDGE_REASON_client_reset), 0);
	assert_int_equal(reply_status(KEDGE_REASON_http_host), 400);
	assert_int_equal(reply_status(KEDGE_REASON_http_line_too_long), 414);
	assert_int_equal(reply_status(KEDGE_REASON_http_head_too_large), 431);
	assert_int_equal(reply_status(KEDGE_REASON_head_timeout), 408);
	assert_int_equal(reply_status(KEDGE_REASON_app_gone), 502);
	assert_int_equal(reply_status(KEDGE_REASON_app_timeout), 504);
}

/* A number that is no reason at all, as a damaged note may hold. */
static void a_number_out_of_range(void **state)
{
	(void)state;
	assert_string_equal(reason_name(KEDGE_REASON_COUNT), "internal_error");
	assert_string_equal(reason_name((enum kedge_reason)255), "internal_error");
	assert_string_equal(reason_name((enum kedge_reason) - 1), "internal_error");
	assert_int_equal(reply_status((enum kedge_reason) - 1), 500);
}

/* The answer as a client reads it: one whole response, no byte more. */
static void check_answer(enum kedge_reason reason)
{
	struct kedge_note note = {.requests = 1};
	struct response_counts counts = {0};
	struct response r = {0};
	char begin[64];
	struct guard g;
	size_t len;

	guard_new(&g, NULL, REPLY_BYTES_MAX, GUARD_AFTER);
	len = reply_format((char *)g.data, reason);
	assert_true(len > 0 && len < REPLY_BYTES_MAX);
	assert_int_equal(strlen((char *)g.data), len);
	snprintf(begin, sizeof(begin), "HTTP/1.1 %u ", reply_status(reason));
	assert_memory_equal(g.data, begin, strlen(begin));
	assert_non_null(strstr((char *)g.data, "\r\nConnection: close\r\n"));
	assert_non_null(strstr((char *)g.data, reason_text(reason)));

	response_feed(&r, &note, (char *)g.data, len - 1, &counts);
	assert_int_equal(r.done, 0);
	response_feed(&r, &note, (char *)g.data + len - 1, 1, &counts);
	assert_int_equal(r.done, 1);
	assert_int_equal(r.status, reply_status(reason));
	assert_true(response_between(&r));
	guard_free(&g);
}

static void every_answer_is_one_whole_response(void **state)
{
	unsigned answers = 0;

	(void)state;
	for (int i = 0; i < KEDGE_REASON_COUNT; i++) {
		if (!reply_status(i))
			continue;
		check_answer(i);
		answers++;
	}
	assert_true(answers > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_a_name_and_a_text),
		cmocka_unit_test(status_of_some),
		cmocka_unit_test(a_number_out_of_range),
		cmocka_unit_test(every_answer_is_one_whole_response),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
