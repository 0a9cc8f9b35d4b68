/* SPDX-License-Identifier: BSD-2-Clause */
/* user/http/response.c: bodies: their ends, their bytes, what may pass unseen, sizes of chunks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "tests/unit/http/response_feed.h"

static struct ends ended;

static void each_end_is_told_with_the_bytes_of_its_body(void **state)
{
	static const char all[] =
		OK "Content-Length: 5\r\n\r\nhello"
		   "HTTP/1.1 100 X\r\n\r\n"
		   "HTTP/1.1 404 X\r\nTransfer-Encoding: chunked\r\n\r\n"
		   "3;x\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n"
		   "HTTP/1.1 304 X\r\nContent-Length: 7\r\n\r\n" OK "Content-Length: 9\r\n\r\n";

	for (size_t step = 1; step <= sizeof(all); step += step < 9 ? 1 : 50) {
		struct kedge_note note = {.requests = 5, .head_bits[0] = 8};
		struct response_counts counts = {.ended = note_end, .arg = &ended};
		struct response r = {0};

		memset(&ended, 0, sizeof(ended));
		for (size_t at = 0; at < sizeof(all) - 1; at += step)
			feed(&r, &note, all + at,
			     sizeof(all) - 1 - at < step ? sizeof(all) - 1 - at : step, &counts);
		assert_int_equal(ended.calls, 4);
		assert_int_equal(ended.status[0], 200);
		assert_int_equal(ended.status[1], 404);
		assert_int_equal(ended.status[2], 304);
		assert_int_equal(ended.status[3], 200);
		assert_int_equal(ended.body[0], 5);
		assert_int_equal(ended.body[1], 5);
		assert_int_equal(ended.body[2], 0);
		assert_int_equal(ended.body[3], 0);
		assert_int_equal(response_outstanding(&r, &note), 1);
	}
}

static void bytes_of_a_body_on_the_way(void **state)
{
	struct kedge_note note = {.requests = 9};
	struct response_counts counts = {0};
	struct response r = {0};

	feed_text(&r, &note, OK "Content-Length: 5\r\n\r\nab", &counts);
	assert_int_equal(response_body(&r), 2);
	assert_false(response_between(&r));
	feed_text(&r, &note, "cde" OK "\r\nxyz", &counts); /* up to the end of the stream */
	assert_int_equal(response_body(&r), 3);
	assert_true(response_endless(&r));
	feed_text(&r, &note, "xyz", &counts);
	assert_int_equal(response_body(&r), 6);
	r = (struct response){0};
	response_tunnel(&r);
	feed_text(&r, &note, OK, &counts);
	assert_int_equal(response_body(&r), strlen(OK));
	assert_int_equal(r.state, RESPONSE_TUNNEL);
	assert_false(response_endless(&r));
}

/* As if they had been fed: the end is told, and the next response begins. */
static void a_body_may_pass_unseen(void **state)
{
	struct kedge_note note = {.requests = 3};
	struct response_counts counts = {.ended = note_end, .arg = &ended};
	struct response r = {0};

	memset(&ended, 0, sizeof(ended));
	feed_text(&r, &note, OK "Content-Length: 9\r\n\r\nab", &counts);
	assert_int_equal(response_body_rest(&r), 7);
	assert_true(response_skip(&r, 6, &counts));
	assert_int_equal(response_body_rest(&r), 1);
	assert_int_equal(response_body(&r), 8);
	assert_int_equal(r.done, 0);
	assert_true(response_skip(&r, 1, &counts));
	assert_int_equal(response_body_rest(&r), 0);
	assert_int_equal(r.done, 1);
	assert_true(response_between(&r));
	assert_int_equal(ended.calls, 1);
	feed_text(&r, &note, OK "Connection: close\r\nContent-Length: 1\r\n\r\n", &counts);
	assert_false(response_was_last(&r));
	assert_true(response_skip(&r, 1, &counts));
	assert_true(response_was_last(&r));
	assert_int_equal(r.done, 2);
	assert_int_equal(ended.calls, 2);
}

static void nothing_else_may_pass_unseen(void **state)
{
	static const char *const places[] = {"",
					     "HTT",
					     "HTTP/1.1 200",
					     OK,
					     OK "Content-Len",
					     OK "Content-Length: 1\r\n\r\nx",
					     OK "Content-Length: 0\r\n\r\n",
					     OK "\r\nto the end",
					     OK "Transfer-Encoding: chunked\r\n\r\n",
					     OK "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
					     OK "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y",
					     "lost"};
	struct kedge_note note = {.requests = 9};
	struct response_counts counts = {0};
	struct response r, before;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		r = (struct response){0};
		feed_text(&r, &note, places[i], &counts);
		before = r;
		assert_int_equal(response_body_rest(&r), 0);
		assert_false(response_skip(&r, 1, &counts));
		assert_false(response_skip(&r, 0, &counts));
		assert_memory_equal(&r, &before, sizeof(r));
	}
	r = (struct response){0};
	feed_text(&r, &note, OK "Content-Length: 9\r\n\r\n", &counts);
	before = r;
	assert_false(response_skip(&r, 0, &counts));
	assert_false(response_skip(&r, 10, &counts));
	assert_false(response_skip(&r, UINT64_MAX, &counts));
	assert_memory_equal(&r, &before, sizeof(r));
	response_tunnel(&r);
	assert_false(response_skip(&r, 1, &counts));
}

static const char digits[] = "0123456789abcdefABCDEF";

/* All hexadecimal digits, in both cases, at both places. */
static void a_size_is_read_by_its_digits(void **state)
{
	for (uint32_t i = 0; i < 22 * 22; i++) {
		char head[] = OK "Transfer-Encoding: chunked\r\n\r\nxx\r\n";
		uint32_t high = i / 22, low = i % 22, size;
		struct kedge_note note = {.requests = 1};
		struct response_counts counts = {0};
		struct response r = {0};

		head[strlen(head) - 4] = digits[high];
		head[strlen(head) - 3] = digits[low];
		size = (high < 16 ? high : high - 6) * 16 + (low < 16 ? low : low - 6);
		feed_text(&r, &note, head, &counts);
		assert_int_equal(r.left, size);
		assert_int_equal(r.state, size ? RESPONSE_BODY : RESPONSE_TRAILER);
	}
}

static void no_other_byte_is_a_digit(void **state)
{
	for (int byte = 1; byte < 256; byte++) {
		char head[] = OK "Transfer-Encoding: chunked\r\n\r\nx\r\n";
		struct kedge_note note = {.requests = 1};
		struct response_counts counts = {0};
		struct response r = {0};

		if (strchr(digits, byte))
			continue;
		head[strlen(head) - 3] = (char)byte;
		feed_text(&r, &note, head, &counts);
		if (r.state != RESPONSE_LOST)
			fail_msg("byte %d", byte);
	}
}

/* Sixteen digits; more than this is no size. */
static void the_largest_size(void **state)
{
	static const char head[] = OK "Transfer-Encoding: chunked\r\n\r\n";
	static const char *const sizes[] = {"3fffffffffffffff\r\n", "4000000000000000\r\n"};

	for (int i = 0; i < 2; i++) {
		struct kedge_note note = {.requests = 1};
		struct response_counts counts = {0};
		struct response r = {0};

		feed_text(&r, &note, head, &counts);
		feed_text(&r, &note, sizes[i], &counts);
		assert_int_equal(r.state, i ? RESPONSE_LOST : RESPONSE_BODY);
		if (!i)
			assert_true(r.left == 0x3fffffffffffffff);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_end_is_told_with_the_bytes_of_its_body),
		cmocka_unit_test(bytes_of_a_body_on_the_way),
		cmocka_unit_test(a_body_may_pass_unseen),
		cmocka_unit_test(nothing_else_may_pass_unseen),
		cmocka_unit_test(a_size_is_read_by_its_digits),
		cmocka_unit_test(no_other_byte_is_a_digit),
		cmocka_unit_test(the_largest_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
