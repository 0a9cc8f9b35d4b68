/* SPDX-License-Identifier: BSD-2-Clause */
/* user/http/response.c: which response is the last one, and where it says that kedge goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "tests/unit/http/response_feed.h"

static struct ends ended;

/* The connection ends after a response with close, or with HTTP/1.0 and no keep-alive. */
static void a_response_says_whether_it_is_the_last(void **state)
{
	static const struct {
		const char *bytes;
		bool last;
	} rows[] = {
		{OK "Content-Length: 0\r\n\r\n", false},
		{OK "Content-Length: 0\r\nConnection: keep-alive\r\n\r\n", false},
		{OK "Content-Length: 0\r\nConnection: close\r\n\r\n", true},
		{OK "Content-Length: 0\r\nConnection: close, keep-alive\r\n\r\n", true},
		{"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", true},
		{"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", false},
		/* Not every client reads chunks in HTTP/1.0. */
		{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n"
		 "\r\n0\r\n\r\n",
		 true},
		/* An interim one does not count. */
		{"HTTP/1.1 100 X\r\nConnection: close\r\n\r\n" OK "Content-Length: 0\r\n\r\n",
		 false},
		/* Nor does one that has not ended. */
		{OK "Content-Length: 1\r\nConnection: close\r\n\r\n", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct kedge_note note = {.requests = 2};
		struct response_counts counts = {0};
		struct response r = {0};

		feed_text(&r, &note, rows[i].bytes, &counts);
		if (response_was_last(&r) != rows[i].last)
			fail_msg("%s: last: %d", rows[i].bytes, response_was_last(&r));
	}
}

/* Once a response was the last one, that stays so. */
static void a_last_response_stays_the_last(void **state)
{
	struct kedge_note note = {.requests = 3};
	struct response_counts counts = {0};
	struct response r = {0};

	feed_text(&r, &note, OK "Content-Length: 0\r\nConnection: close\r\n\r\n", &counts);
	assert_true(response_was_last(&r));
	feed_text(&r, &note, OK "Content-Length: 0\r\n\r\n", &counts);
	assert_true(response_was_last(&r));
	assert_int_equal(r.done, 2);
}

/* A response before its request is complete passes, is not counted, and is the last one. */
static void an_early_response_is_the_last(void **state)
{
	struct kedge_note note = {.requests = 0};
	struct response_counts counts = {.ended = note_end, .arg = &ended};
	struct response r = {0};

	memset(&ended, 0, sizeof(ended));
	feed_text(&r, &note, "HTTP/1.1 503 X\r\nContent-Length: 1\r\n\r\n", &counts);
	assert_false(response_over(&r));
	feed_text(&r, &note, "x", &counts);
	assert_true(response_over(&r));
	assert_true(response_was_last(&r));
	assert_int_equal(r.done, 0);
	assert_int_equal(ended.calls, 0);
	assert_int_equal(counts.finals, 1);
	assert_int_equal(counts.classes[5], 1);
	note.requests = 1;
	assert_int_equal(feed(&r, &note, OK, strlen(OK), &counts), RESPONSE_UNASKED);
}

/* Where RESPONSE_CLOSE belongs in `text`, fed in pieces of `piece`; 0: nowhere. */
static size_t told_at(struct response *r, const struct kedge_note *note, const char *text,
		      size_t piece, bool closing)
{
	size_t found = 0, gone = 0;

	for (size_t at = 0, len = strlen(text); at < len; at += piece) {
		struct response_counts counts = {.closing = closing};
		size_t n = len - at < piece ? len - at : piece;

		feed(r, note, text + at, n, &counts);
		if (counts.say_at) {
			assert_int_equal(found, 0);
			assert_true(counts.say_at <= counts.good);
			found = gone + counts.say_at;
		}
		gone += counts.good;
	}
	return found;
}

static void the_last_response_says_that_kedge_goes(void **state)
{
	static const struct {
		const char *text;
		uint32_t requests;
		enum kedge_standing standing;
		size_t at;
	} rows[] = {
		{OK "Content-Length: 0\r\n\r\n", 1, KEDGE_BETWEEN, 17},
		{"HTTP/1.0 200 OK\nContent-Length: 1\n\nx", 1, KEDGE_BETWEEN, 16},
		{"HTTP/1.1 204\r\n\r\n", 1, KEDGE_BETWEEN, 14},
		{OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1, KEDGE_BETWEEN, 17},
		{OK "X: y\r\n\r\nto the end", 1, KEDGE_BETWEEN, 17},
		{"HTTP/1.1 103 E\r\n\r\n" OK "Content-Length: 0\r\n\r\n", 1, KEDGE_BETWEEN, 35},
		/* Only the last one of several. */
		{OK "Content-Length: 1\r\n\r\nx" OK "Content-Length: 0\r\n\r\n", 2, KEDGE_BETWEEN,
		 56},
		{OK "Content-Length: 1\r\n\r\nx", 2, KEDGE_BETWEEN, 0},
		/* A part of another request, or a body, is on its way; or it is none of these. */
		{OK "Content-Length: 0\r\n\r\n", 1, KEDGE_HEAD, 0},
		{OK "Content-Length: 0\r\n\r\n", 1, KEDGE_BODY, 0},
		{OK "Content-Length: 0\r\n\r\n", 1, KEDGE_WAITING, 0},
		{"HTTP/1.1 101 S\r\n\r\n", 1, KEDGE_WAITING, 0},
		{OK "Content-Length: 0\r\n\r\n", 0, KEDGE_HEAD, 0},
		{"HTTP/1.1 2000\r\n\r\n", 1, KEDGE_BETWEEN, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct kedge_note note = {.requests = rows[i].requests,
						.standing = (uint8_t)rows[i].standing};

		for (size_t piece = 1; piece <= strlen(rows[i].text); piece++) {
			struct response r = {0}, quiet = {0};

			assert_int_equal(told_at(&r, &note, rows[i].text, piece, true), rows[i].at);
			assert_int_equal(response_told(&r), rows[i].at > 0);
			assert_int_equal(told_at(&quiet, &note, rows[i].text, piece, false), 0);
			assert_false(response_told(&quiet));
			if (!rows[i].at || r.state != RESPONSE_LINE)
				continue;
			assert_true(response_over(&r) && response_was_last(&r));
			assert_false(response_clean(&r));
		}
	}
}

static void nothing_is_over_before_the_body_is(void **state)
{
	const struct kedge_note note = {.requests = 1};
	struct response r = {0};

	(void)state;
	assert_int_equal(told_at(&r, &note, OK "Content-Length: 2\r\n\r\nx", 99, true), 17);
	assert_true(response_told(&r));
	assert_false(response_over(&r));
	told_at(&r, &note, "y", 1, true);
	assert_true(response_over(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_response_says_whether_it_is_the_last),
		cmocka_unit_test(a_last_response_stays_the_last),
		cmocka_unit_test(an_early_response_is_the_last),
		cmocka_unit_test(the_last_response_says_that_kedge_goes),
		cmocka_unit_test(nothing_is_over_before_the_body_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
