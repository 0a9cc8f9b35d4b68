/* SPDX-License-Identifier: BSD-2-Clause */
/* user/http/reply.c: every reason has a name and a text. If it has a status, it has an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/reply.h"
#include "http/response.h"
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

/* A number that is no reason, as in a damaged note. */
static void a_number_out_of_range(void **state)
{
	(void)state;
	assert_string_equal(reason_name(KEDGE_REASON_COUNT), "internal_error");
	assert_string_equal(reason_name((enum kedge_reason)255), "internal_error");
	assert_string_equal(reason_name((enum kedge_reason) - 1), "internal_error");
	assert_int_equal(reply_status((enum kedge_reason) - 1), 500);
}

/* The answer, read like a client: exactly one whole response. */
static void check_answer(enum kedge_reason reason)
{
	struct kedge_note note = {.requests = 1};
	struct response_counts counts = {0};
	struct response r = {0};
	char begin[64];
	struct guard g;
	size_t len;

	guard_new(&g, NULL, REPLY_BYTES_MAX, GUARD_AFTER);
	len = reply_format((char *)g.data, reason, REPLY_TEXT, 784111777);
	assert_true(len > 0 && len < REPLY_BYTES_MAX);
	assert_int_equal(strlen((char *)g.data), len);
	snprintf(begin, sizeof(begin), "HTTP/1.1 %u ", reply_status(reason));
	assert_memory_equal(g.data, begin, strlen(begin));
	assert_non_null(strstr((char *)g.data, "\r\nConnection: close\r\n"));
	assert_non_null(strstr((char *)g.data, "\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
	assert_non_null(strstr((char *)g.data, reason_text(reason)));

	response_feed(&r, &note, (char *)g.data, len - 1, &counts);
	assert_int_equal(r.done, 0);
	response_feed(&r, &note, (char *)g.data + len - 1, 1, &counts);
	assert_int_equal(r.done, 1);
	assert_int_equal(r.status, reply_status(reason));
	assert_true(response_between(&r));
	guard_free(&g);
}

/*
 * To HEAD and to an unknown request: the head is the whole response.
 */
static void answers_without_a_body(void **state)
{
	static const enum reply_body bodies[] = {REPLY_HEAD, REPLY_NONE};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct kedge_note note = {.requests = 1, .head_bits[0] = bodies[i] == REPLY_HEAD};
		struct response_counts counts = {0};
		struct response r = {0};
		char whole[REPLY_BYTES_MAX], text[REPLY_BYTES_MAX];
		size_t len = reply_format(text, KEDGE_REASON_app_refused, bodies[i], 0);

		response_feed(&r, &note, text, len, &counts);
		assert_int_equal(counts.good, len);
		assert_int_equal(r.done, 1);
		assert_true(response_between(&r));
		assert_int_equal(reply_body(text, len), 0);
		reply_format(whole, KEDGE_REASON_app_refused, REPLY_TEXT, 0);
		assert_int_equal(!memcmp(whole, text, len), bodies[i] == REPLY_HEAD);
	}
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

static void the_body_begins_behind_the_blank_line(void **state)
{
	static const char odd[] = "HTTP/1.1 200 OK\r\n\r\na\r\n\r\nb";
	char text[REPLY_BYTES_MAX];
	size_t len = reply_format(text, KEDGE_REASON_app_refused, REPLY_TEXT, 0);
	const char *body = strstr(text, "\r\n\r\n") + 4;

	(void)state;
	assert_int_equal(reply_body(text, len), strlen(body));
	assert_int_equal(reply_body(text, (size_t)(body - text)), 0);
	assert_int_equal(reply_body(text, (size_t)(body - text) - 1), 0);
	assert_int_equal(reply_body("", 0), 0);
	assert_int_equal(reply_body(odd, strlen(odd)), strlen("a\r\n\r\nb"));
}

/* Also before 1970, and beyond 32 bits. */
static void dates(void **state)
{
	static const struct {
		time_t now;
		const char *date;
	} rows[] = {
		{0, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"},
		{-1, "Date: Wed, 31 Dec 1969 23:59:59 GMT\r\n"},
		{951782399, "Date: Mon, 28 Feb 2000 23:59:59 GMT\r\n"},
		{951782400, "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n"},
		{4294967296, "Date: Sun, 07 Feb 2106 06:28:16 GMT\r\n"},
	};
	char text[REPLY_BYTES_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		reply_format(text, KEDGE_REASON_app_refused, REPLY_TEXT, rows[i].now);
		assert_non_null(strstr(text, rows[i].date));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_a_name_and_a_text),
		cmocka_unit_test(status_of_some),
		cmocka_unit_test(a_number_out_of_range),
		cmocka_unit_test(every_answer_is_one_whole_response),
		cmocka_unit_test(answers_without_a_body),
		cmocka_unit_test(the_body_begins_behind_the_blank_line),
		cmocka_unit_test(dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
