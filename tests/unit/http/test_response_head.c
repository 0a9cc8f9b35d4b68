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
struct row {
	const char *line;
	bool good;
	struct response_head head;
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct response_head h, want = rows[i].head;

		memset(&h, 0, sizeof(h));
		if (field(&h, rows[i].line, false) != rows[i].good)
			fail_msg("%s: %s", rows[i].line, rows[i].good ? "refused" : "accepted");
		if (h.has_length != want.has_length || h.length != want.length ||
		    h.coded != want.coded || h.chunked != want.chunked || h.close != want.close ||
		    h.keep != want.keep || h.folds_badly != want.folds_badly ||
		    h.of_connection != want.of_connection || h.doubtful != want.doubtful ||
		    h.keep_alive_s != want.keep_alive_s)
			fail_msg("%s: says something else", rows[i].line);
	}
}

static void lines_say_how_the_body_ends(void **state)
{
	static const struct row rows[] = {
		{"Server: x", true, {0}},
		{"", true, {.doubtful = true}},
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
		{"content-length : 1", false, {.folds_badly = true, .doubtful = true}},
		{"content-length", true, {.doubtful = true}},
		{"content-length\v: 1", true, {.doubtful = true}},
		{"content-length \v: 1", true, {.doubtful = true}},
		{"content-lengths: 1", true, {0}},
		{"content-lengt: 1", true, {0}},
		{"c", true, {.doubtful = true}},
		{"Transfer-Encoding: chunked",
		 true,
		 {.coded = true, .chunked = true, .folds_badly = true}},
		{"transfer-encoding:gzip ,\tCHUNKED ",
		 true,
		 {.coded = true, .chunked = true, .folds_badly = true, .doubtful = true}},
		{"transfer-encoding: chunked, gzip",
		 true,
		 {.coded = true, .folds_badly = true, .doubtful = true}},
		{"transfer-encoding: xchunked",
		 true,
		 {.coded = true, .folds_badly = true, .doubtful = true}},
		{"transfer-encoding:chunked",
		 true,
		 {.coded = true, .chunked = true, .folds_badly = true}},
		{"transfer-encoding: gzip,deflate",
		 true,
		 {.coded = true, .folds_badly = true, .doubtful = true}},
		{"transfer-encoding:",
		 true,
		 {.coded = true, .folds_badly = true, .doubtful = true}},
		{"transfer-encoding : chunked",
		 false,
		 {.coded = true, .chunked = true, .folds_badly = true, .doubtful = true}},
		{"TRANSFER-ENCODING:\tchunked ",
		 true,
		 {.coded = true, .chunked = true, .folds_badly = true}},
	};

	check_rows(rows, COUNT(rows));
}

static void lines_say_whether_the_connection_ends(void **state)
{
	static const struct row rows[] = {
		{"Connection: close", true, {.close = true, .of_connection = true}},
		{"connection :Keep-Alive",
		 true,
		 {.keep = true, .of_connection = true, .doubtful = true}},
		{"connection: a, ,close\t,keep-alive",
		 true,
		 {.close = true, .keep = true, .of_connection = true}},
		{"connection: closed, xclose, keep-alive2", true, {.of_connection = true}},
		{"connection:", true, {.of_connection = true}},
		{"connections: close", true, {0}},
		{"keep-alive: timeout=5", true, {.keep_alive_s = 5}},
		{"KEEP-ALIVE:max=9 ,\tTIMEOUT=05 , timeout=7", true, {.keep_alive_s = 5}},
		{"keep-alive: timeout=65535", true, {.keep_alive_s = 65535}},
		{"keep-alive: timeout=65536", true, {0}},
		{"keep-alive: timeout=-1, timeout=, timeout, timeout=1s, xtimeout=1", true, {0}},
		{"keep-alive : timeout=5", true, {.keep_alive_s = 5, .doubtful = true}},
		{"keep-alive: timeout=0", true, {.doubtful = true}},
		{"keep-alive: timeout=3, timeout=0", true, {.keep_alive_s = 3, .doubtful = true}},
		{"keep-alive:", true, {0}},
		{"keep-alive: \t ", true, {0}},
		{"keep-alive: , ,\t", true, {0}},
		{"keep-alive: maximum=5, timeout:6", true, {0}},
		{"keep-alives: timeout=5", true, {0}},
		{"set-cookie: timeout=5", true, {0}},
	};

	check_rows(rows, COUNT(rows));
}

static void odd_names_are_doubtful(void **state)
{
	static const struct row rows[] = {
		{"t", true, {.doubtful = true}},      {":", true, {.doubtful = true}},
		{": x", true, {.doubtful = true}},    {"x:", true, {0}},
		{"x y: z", true, {.doubtful = true}}, {"x\t: z", true, {.doubtful = true}},
	};

	check_rows(rows, COUNT(rows));
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

/* RFC 9112, 6.3: another reader may take the other one. */
static void several_fields_that_frame_are_in_doubt(void **state)
{
	static const char *const fields[] = {"Content-Length: 2", "Transfer-Encoding: chunked"};

	for (int first = 0; first < 2; first++) {
		for (int second = 0; second < 2; second++) {
			struct response_head h = {0};

			assert_true(field(&h, fields[first], false));
			assert_true(field(&h, "Server: x", false));
			assert_false(h.doubtful);
			assert_true(field(&h, fields[second], false));
			assert_true(h.doubtful);
		}
	}
}

/* RFC 9110, 5.6.2: these and no others. */
static void a_name_has_certain_bytes(void **state)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (int byte = 1; byte < 256; byte++) {
		bool token = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
			     (byte >= 'A' && byte <= 'Z') || strchr(others, byte);
		char line[] = "Name_: x";
		struct response_head h = {0};

		line[4] = (char)byte;
		assert_true(field(&h, line, false));
		/* A colon ends the name: the value begins with another one. */
		if (h.doubtful != (!token && byte != ':'))
			fail_msg("byte %d: doubtful: %d", byte, h.doubtful);
	}
}

/* What one line lists, another one does not take back. */
static void options_of_several_lines(void **state)
{
	struct response_head h = {0};

	assert_true(field(&h, "Connection: close", false));
	assert_true(field(&h, "Connection: keep-alive", false));
	assert_true(field(&h, "Connection: x", false));
	assert_true(h.close && h.keep);
}

/* The shortest time of several lines; a line that was cut says nothing. */
static void the_shortest_time(void **state)
{
	struct response_head h = {0};

	assert_true(field(&h, "Keep-Alive: timeout=5", false));
	assert_true(field(&h, "Keep-Alive: timeout=7", false));
	assert_int_equal(h.keep_alive_s, 5);
	assert_true(field(&h, "Keep-Alive: timeout=4", false));
	assert_int_equal(h.keep_alive_s, 4);
	assert_true(field(&h, "Keep-Alive: timeout=3", true));
	assert_int_equal(h.keep_alive_s, 4);
	assert_false(h.doubtful);
}

/* Of a whole head, by its status. */
static void a_head_may_be_in_doubt(void **state)
{
	const struct response_head none = {0}, zero = {.has_length = true},
				   length = {.has_length = true, .length = 1},
				   coded = {.coded = true, .chunked = true},
				   close = {.close = true}, doubtful = {.doubtful = true};

	for (unsigned status = 100; status < 1000; status++) {
		bool otherwise = status == 400 || status == 408 || status == 411 || status == 413 ||
				 status == 414 || status == 431 || status == 501 || status == 505;
		bool interim = status < 200;

		if (response_head_in_doubt(&none, status) != otherwise)
			fail_msg("%u", status);
		if (response_head_in_doubt(&zero, status) != (otherwise || interim))
			fail_msg("%u with a length of 0", status);
		if (response_head_in_doubt(&length, status) !=
		    (otherwise || interim || status == 204))
			fail_msg("%u with a length", status);
		if (response_head_in_doubt(&coded, status) !=
		    (otherwise || interim || status == 204 || status == 304))
			fail_msg("%u with a coding", status);
		assert_true(response_head_in_doubt(&close, status));
		assert_true(response_head_in_doubt(&doubtful, status));
	}
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
	assert_false(h.doubtful);
	assert_true(field(&h, " close", false));
	assert_true(h.close && h.doubtful);
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
	h = (struct response_head){0};
	assert_true(field(&h, "Connection: x", false));
	assert_true(field(&h, "Server : x", false));
	assert_true(field(&h, " close", false));
	assert_false(h.close);
	assert_true(field(&h, "Content-Length: 2", false));
	assert_true(field(&h, "Server", false));
	assert_true(field(&h, " 2", false));
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
		cmocka_unit_test(lines_say_whether_the_connection_ends),
		cmocka_unit_test(odd_names_are_doubtful),
		cmocka_unit_test(a_second_length_must_be_the_same),
		cmocka_unit_test(several_fields_that_frame_are_in_doubt),
		cmocka_unit_test(a_name_has_certain_bytes),
		cmocka_unit_test(options_of_several_lines),
		cmocka_unit_test(the_shortest_time),
		cmocka_unit_test(a_head_may_be_in_doubt),
		cmocka_unit_test(a_line_that_was_cut_is_not_believed),
		cmocka_unit_test(folded_lines),
	};

	return cmocka_run_group_tests_name("response_head", tests, NULL, NULL);
}
