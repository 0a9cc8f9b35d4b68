/* SPDX-License-Identifier: BSD-2-Clause */
/* user/http/response_head.c: what field lines say about the body and the connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "http/response_head.h"
#include "tests/lib/guard.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* From memory that ends with the line. */
static bool field(struct response_head *h, const char *line, bool is_cut)
{
	struct guard g;
	bool answer;

	guard_new(&g, line, strlen(line), GUARD_AFTER);
	answer = response_head_field(h, (const char *)g.data, g.len, is_cut);
	guard_free(&g);
	return answer;
}

static unsigned status(const char *line, size_t len)
{
	struct guard g;
	unsigned answer;

	guard_new(&g, line, len, GUARD_AFTER);
	answer = response_head_status((const char *)g.data, g.len);
	guard_free(&g);
	return answer;
}

/* Every beginning of a status line could still become one. */
static void a_status_line_is_known_by_its_first_bytes(void **state)
{
	static const char *const good[] = {"HTTP/1.1 200", "HTTP/1.0 100", "HTTP/1.9 999",
					   "HTTP/1.1 599"};
	static const char *const bad[] = {"HTTP/2.0 200",   "http/1.1 200",  "HTTP/1.x 200",
					  "HTTP/1.1  20",   "HTTP/1.1 099",  "HTTP/1.1 2 0",
					  "HTTP/1.1 20x",   "HTTP/1.1\t200", "HTTP 200 OK",
					  "\r\nHTTP/1.1 2", "ICY 200 OK  "};

	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(strlen(good[i]), RESPONSE_STATUS_LEN);
		for (size_t n = 0; n < RESPONSE_STATUS_LEN; n++)
			assert_int_equal(status(good[i], n), 1);
	}
	assert_int_equal(status("HTTP/1.1 200", 12), 200);
	assert_int_equal(status("HTTP/1.0 100", 12), 100);
	assert_int_equal(status("HTTP/1.9 999", 12), 999);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (status(bad[i], strlen(bad[i])))
			fail_msg("%s: taken for a status line", bad[i]);
}

/* The facts after one line of a new head. */
static void lines_say_how_the_body_ends(void **state)
{
	static const struct {
		const char *line;
		bool good;
		struct response_head head;
	} rows[] = {
		{"Server: x", true, {0}},
		{"", true, {0}},
		{"Content-Length: 5", true, {.has_length = true, .length = 5, .folds_badly = true}},
		{"CONTENT-LENGTH:\t 05 ",
		 true,
		 {.has_length = true, .length = 5, .folds_badly = true}},
		{"content-length: 9223372036854775807",
		 true,
		 {.has_length = true, .length = INT64_MAX, .folds_badly = true}},
		{"content-length: 9223372036854775808",
		 false,
		 {.has_length = true, .folds_badly = true}},
		{"content-length:", false, {.has_length = true, .folds_badly = true}},
		{"content-length: 1, 1", false, {.has_length = true, .folds_badly = true}},
		{"content-length: -1", false, {.has_length = true, .folds_badly = true}},
		{"content-length : 1", false, {.folds_badly = true}},
		{"content-length", true, {0}},
		{"content-lengths: 1", true, {0}},
		{"content-lengt: 1", true, {0}},
		{"c", true, {0}},
		{"Transfer-Encoding: chunked",
		 true,
		 {.coded = true, .chunked = true, .folds_badly = true}},
		{"transfer-encoding:gzip ,\tCHUNKED ",
		 true,
		 {.coded = true, .chunked = true, .folds_badly = true}},
		{"transfer-encoding: chunked, gzip", true, {.coded = true, .folds_badly = true}},
		{"transfer-encoding: xchunked", true, {.coded = true, .folds_badly = true}},
		{"transfer-encoding:", true, {.coded = true, .folds_badly = true}},
		{"transfer-encoding : chunked",
		 false,
		 {.coded = true, .chunked = true, .folds_badly = true}},
		{"Connection: close", true, {.close = true, .of_connection = true}},
		{"connection :Keep-Alive", true, {.keep = true, .of_connection = true}},
		{"connection: a, ,close\t,keep-alive",
		 true,
		 {.close = true, .keep = true, .of_connection = true}},
		{"connection: closed, xclose, keep-alive2", true, {.of_connection = true}},
		{"connection:", true, {.of_connection = true}},
		{"connections: close", true, {0}},
		{"t", true, {0}},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct response_head h, want = rows[i].head;

		memset(&h, 0, sizeof(h));
		if (field(&h, rows[i].line, false) != rows[i].good)
			fail_msg("%s: %s", rows[i].line, rows[i].good ? "refused" : "accepted");
		if (h.has_length != want.has_length || h.length != want.length ||
		    h.coded != want.coded || h.chunked != want.chunked || h.close != want.close ||
		    h.keep != want.keep || h.folds_badly != want.folds_badly ||
		    h.of_connection != want.of_connection)
			fail_msg("%s: says something else", rows[i].line);
	}
}

static void a_second_length_must_be_the_same(void **state)
{
	struct response_head h = {0};

	assert_true(field(&h, "Content-Length: 2", false));
	assert_true(field(&h, "Content-Length: 02", false));
	assert_int_equal(h.length, 2);
	assert_false(field(&h, "Content-Length: 3", false));
	/* Zero is a length as well. */
	h = (struct response_head){0};
	assert_true(field(&h, "Content-Length: 0", false));
	assert_false(field(&h, "Content-Length: 1", false));
}

/* The missing part of a line may have the word that matters. */
static void a_line_that_was_cut_is_not_believed(void **state)
{
	struct response_head h = {0};

	assert_false(field(&h, "Content-Length: 2", true));
	assert_false(field(&h, "Transfer-Encoding: chunked", true));
	assert_true(field(&h, "Server: x", true));
	assert_false(h.close);
	assert_true(field(&h, "Connection: keep-alive", true));
	assert_true(h.close);
}

/* RFC 9112, 5.2: a folded line continues the one before it. */
static void folded_lines(void **state)
{
	struct response_head h = {0};

	assert_true(field(&h, "Connection:", false));
	assert_true(field(&h, " close", false));
	assert_true(h.close);
	assert_true(field(&h, "\tkeep-alive", false)); /* still the same line */
	assert_true(h.keep);
	h = (struct response_head){0};
	assert_true(field(&h, "Server: x", false));
	assert_true(field(&h, " close", false));
	assert_false(h.close);
	/* A length or a coding that continues is not known. */
	assert_true(field(&h, "Content-Length: 2", false));
	assert_false(field(&h, " 2", false));
	h = (struct response_head){0};
	assert_true(field(&h, "Transfer-Encoding: chunked", false));
	assert_false(field(&h, "\t", false));
	/* After another line, this does not matter any more. */
	h = (struct response_head){0};
	assert_true(field(&h, "Content-Length: 2", false));
	assert_true(field(&h, "Connection: x", false));
	assert_true(field(&h, " close", false));
	assert_true(h.close);
	/* A folded line that was cut. */
	h = (struct response_head){.of_connection = true};
	assert_true(field(&h, " x", true));
	assert_true(h.close);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_status_line_is_known_by_its_first_bytes),
		cmocka_unit_test(lines_say_how_the_body_ends),
		cmocka_unit_test(a_second_length_must_be_the_same),
		cmocka_unit_test(a_line_that_was_cut_is_not_believed),
		cmocka_unit_test(folded_lines),
	};

	return cmocka_run_group_tests_name("response_head", tests, NULL, NULL);
}
