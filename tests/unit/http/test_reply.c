/* SPDX-License-Identifier: BSD-2-Clause */
/* user/http/reply.c: every reason with a status has an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/reason.h"
#include "http/reply.h"
#include "http/response.h"
#include "tests/lib/guard.h"

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
	snprintf(begin, sizeof(begin), "HTTP/1.1 %u ", reason_status(reason));
	assert_memory_equal(g.data, begin, strlen(begin));
	assert_non_null(strstr((char *)g.data, "\r\nConnection: close\r\n"));
	assert_non_null(strstr((char *)g.data, "\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
	assert_non_null(strstr((char *)g.data, reason_text(reason)));

	response_feed(&r, &note, (char *)g.data, len - 1, &counts);
	assert_int_equal(r.done, 0);
	response_feed(&r, &note, (char *)g.data + len - 1, 1, &counts);
	assert_int_equal(r.done, 1);
	assert_int_equal(r.status, reason_status(reason));
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
		if (!reason_status(i))
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
		cmocka_unit_test(every_answer_is_one_whole_response),
		cmocka_unit_test(answers_without_a_body),
		cmocka_unit_test(the_body_begins_behind_the_blank_line),
		cmocka_unit_test(dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
