/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/http/http1_edit.c: the bytes that one call takes, and its pieces. tests/unit/kedge checks
 * the output for many streams and all cuts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http1_edit.h"
#include "tests/lib/http1_corpus.h"
#include "tests/lib/http1_heads.h"
#include "tests/lib/assert_reason.h"

#define GET     "GET / HTTP/1.1\r\nHost: a\r\n"
#define OURS    "X-Forwarded-For: 198.51.100.22\r\n"
#define UPGRADE "Connection: upgrade\r\nUpgrade: x\r\n"

static struct http1_conf append;
static struct http1 h;
static struct kedge_note note;
static struct http1_edit out;

static int up(void **state)
{
	http1_case_conf(&append, HTTP1_XFF_APPEND, 0);
	memset(&h, 0, sizeof(h));
	memset(&note, 0, sizeof(note));
	memset(&out, 0xaa, sizeof(out));
	return 0;
}

static size_t edit_text(const char *text)
{
	return http1_edit(&out, &h, &append, &note, text, strlen(text));
}

/* The pieces are these bytes, and `bytes` says how many. */
static void assert_out(const char *want)
{
	struct http1_bytes all = {0};

	for (unsigned i = 0; i < out.pieces; i++)
		http1_bytes_add(&all, out.piece[i].iov_base, out.piece[i].iov_len);
	assert_int_equal(all.len, strlen(want));
	assert_int_equal(out.bytes, all.len);
	if (all.len)
		assert_memory_equal(all.data, want, all.len);
	free(all.data);
}

/* The usual request is not copied: input, text, input. */
static void pieces_point_into_input_and_conf(void **state)
{
	static const char in[] = GET "\r\n";

	assert_int_equal(edit_text(in), strlen(in));
	assert_int_equal(out.pieces, 3);
	assert_ptr_equal(out.piece[0].iov_base, in);
	assert_int_equal(out.piece[0].iov_len, strlen(GET));
	assert_ptr_equal(out.piece[1].iov_base, append.text);
	assert_int_equal(out.piece[1].iov_len, append.text_len);
	assert_ptr_equal(out.piece[2].iov_base, in + strlen(GET));
	assert_int_equal(out.copied, 0);
	assert_out(GET OURS "\r\n");
}

/* Incoming values are copied, because the next request overwrites them in the automaton. */
static void values_are_copied(void **state)
{
	assert_int_equal(
		edit_text(GET "X-Forwarded-For: 1\r\n\r\n" GET "X-Forwarded-For: 2\r\n\r\n"),
		2 * strlen(GET "X-Forwarded-For: 1\r\n\r\n"));
	assert_int_equal(out.copied, 2 * strlen("1, "));
	assert_out(GET "X-Forwarded-For: 1, 198.51.100.22\r\n\r\n" GET
		       "X-Forwarded-For: 2, 198.51.100.22\r\n\r\n");
}

static void no_input_makes_no_pieces(void **state)
{
	assert_int_equal(http1_edit(&out, &h, &append, &note, NULL, 0), 0);
	assert_out("");
	assert_int_equal(edit_text(GET), strlen(GET));
	assert_int_equal(http1_edit(&out, &h, &append, &note, "", 0), 0);
	assert_out("");
}

/* A run that is held at the end of an input goes out with a later one, or not at all. */
static void a_held_run_waits_for_its_end(void **state)
{
	assert_int_equal(edit_text(GET "\r"), strlen(GET "\r"));
	assert_out(GET);
	assert_int_equal(edit_text("\n"), 1);
	assert_out(OURS "\r\n");

	assert_int_equal(edit_text(GET "x-forwarde"), strlen(GET "x-forwarde"));
	assert_out(GET);
	assert_int_equal(edit_text("r: 1\r\nX-1: 2\r\n"), 14); /* another name after all */
	assert_out("x-forwarder: 1\r\nX-1: 2\r\n");
	assert_int_equal(out.copied, strlen("x-forwarde"));
	assert_int_equal(edit_text("x-forwarded-f"), strlen("x-forwarded-f"));
	assert_out("");
	assert_int_equal(edit_text("or: 1"), 5);
	assert_out("");
	assert_int_equal(edit_text("2\r\n"), 3);
	assert_out("");
	assert_int_equal(edit_text("\r\n"), 2);
	assert_out("X-Forwarded-For: 12, 198.51.100.22\r\n\r\n");
}

/* Bytes behind an upgrade request may be another protocol's: they are not taken. */
static void a_call_stops_behind_an_upgrade(void **state)
{
	assert_int_equal(edit_text(GET UPGRADE "\r\n" GET "\r\n"), strlen(GET UPGRADE "\r\n"));
	assert_out(GET UPGRADE OURS "\r\n");
	assert_int_equal(http1_standing(&h), KEDGE_WAITING);
	assert_int_equal(edit_text(GET "\r\n"), 0);
	assert_out("");
	http1_resume(&h, true);
	assert_int_equal(edit_text("\x81\n\r\n"), 4);
	assert_out("\x81\n\r\n");
	assert_int_equal(note.requests, 1);
}

static void what_was_complete_before_a_fault_goes_on(void **state)
{
	assert_int_equal(edit_text(GET "\r\n" GET "\r\n" GET "A : b\r\n\r\n"),
			 2 * strlen(GET "\r\n"));
	assert_out(GET OURS "\r\n" GET OURS "\r\n");
	assert_int_equal(note.requests, 2);
	assert_int_equal(h.state, HTTP1_REFUSED);
	assert_reason(h.reason, KEDGE_REASON_http_field_name);
	assert_int_equal(edit_text(GET "\r\n"), 0);
	assert_out("");
	assert_int_equal(note.requests, 2);
}

/* In the same call neither goes on; in a later one the head has gone on already. */
static void a_fault_in_a_body_takes_back_the_head_of_the_same_call(void **state)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";
	static const char whole[] = GET "\r\nPOST / HTTP/1.1\r\nHost: a\r\n"
					"Transfer-Encoding: chunked\r\n\r\n1\r\nab";

	assert_int_equal(edit_text(whole), strlen(GET "\r\n"));
	assert_out(GET OURS "\r\n");
	assert_int_equal(note.requests, 1);

	up(state);
	assert_int_equal(edit_text(head), strlen(head));
	assert_int_equal(note.requests, 1);
	assert_int_equal(edit_text("1\r\nab"), 0);
	assert_out("");
	assert_int_equal(note.requests, 1);
}

/* http1_edit() writes only requests, head_bits and last. */
static void the_rest_of_the_note_is_left_alone(void **state)
{
	struct kedge_note before;

	memset(&note, 0xa5, sizeof(note));
	note.requests = 0;
	before = note;
	assert_int_equal(edit_text("HEAD / HTTP/1.0\r\n\r\n" GET "\r\n"),
			 strlen("HEAD / HTTP/1.0\r\n\r\n" GET "\r\n"));
	assert_int_equal(note.requests, 2);
	assert_int_equal(note.head_bits[0] & 3, 1);
	before.requests = 2;
	before.last = 1;
	before.head_bits[0] = (before.head_bits[0] & ~3ULL) | 1;
	assert_memory_equal(&note, &before, sizeof(note));
}

static void a_block_is_all_that_needs_no_reading(void **state)
{
	static const uint8_t in[64] = "0123456789";

	/* A body, up to its end. */
	h = (struct http1){.state = HTTP1_BODY, .left = 40};
	assert_int_equal(http1_edit_block(&h, &append, in, 30), 30);
	assert_int_equal(h.left, 10);
	assert_int_equal(http1_edit_block(&h, &append, in, 30), 10);
	assert_true(http1_between(&h));
	/* The usual lines, one after the other. */
	h = (struct http1){0};
	assert_true(http1_edit_block(&h, &append, (const uint8_t *)GET "Accept: b\r\nX",
				     strlen(GET "Accept: b\r\nX")) > strlen("GET / HTTP/1.1"));
	/* Bytes that must be read. */
	h = (struct http1){.state = HTTP1_END_LF};
	assert_int_equal(http1_edit_block(&h, &append, (const uint8_t *)"\nabcdefgh", 9), 0);
	assert_int_equal(h.state, HTTP1_END_LF);
	h = (struct http1){.state = HTTP1_BODY, .left = 40};
	assert_int_equal(http1_edit_block(&h, &append, in, 0), 0);
	assert_int_equal(h.left, 40);
}

/* More pieces and values than one call's list holds: it stops between two requests and goes on. */
static void list_is_full(void **state)
{
	static const char pair[] =
		"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nA: b\r\n\r\n";
	static const char want[] = "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n"
				   "X-Forwarded-For: 1.1.1.1, 198.51.100.22\r\n\r\n";
	struct http1_bytes in = {0}, all = {0};
	size_t taken = 0;
	unsigned calls = 0;

	for (int i = 0; i < 500; i++)
		http1_bytes_add(&in, pair, sizeof(pair) - 1);
	while (taken < in.len) {
		taken += http1_edit(&out, &h, &append, &note, in.data + taken, in.len - taken);
		assert_int_equal(taken % (sizeof(pair) - 1), 0);
		assert_true(out.pieces <= HTTP1_EDIT_PIECES && out.copied <= HTTP1_EDIT_COPY);
		for (unsigned i = 0; i < out.pieces; i++)
			http1_bytes_add(&all, out.piece[i].iov_base, out.piece[i].iov_len);
		calls++;
	}
	assert_true(calls > 1);
	assert_int_equal(note.requests, 500);
	assert_int_equal(all.len, 500 * (sizeof(want) - 1));
	for (int i = 0; i < 500; i++)
		assert_memory_equal(all.data + (size_t)i * (sizeof(want) - 1), want,
				    sizeof(want) - 1);
	free(in.data);
	free(all.data);
}

/* The same when long values have used up the room for copies. */
static void copies_are_full(void **state)
{
	char head[600];
	int n = snprintf(head, sizeof(head), "GET / HTTP/1.0\r\nX-Forwarded-For: %0500d\r\n\r\n",
			 7);
	struct http1_bytes in = {0};
	size_t taken;

	for (int i = 0; i < 10; i++)
		http1_bytes_add(&in, head, (size_t)n);
	taken = http1_edit(&out, &h, &append, &note, in.data, in.len);
	assert_true(taken && taken < in.len);
	assert_int_equal(taken, note.requests * (size_t)n);
	assert_true(out.copied <= HTTP1_EDIT_COPY);
	assert_int_equal(out.bytes, note.requests * ((size_t)n + strlen(", 198.51.100.22")));
	free(in.data);
}

/* The most pieces that one head can make, from an almost full list on. */
static void most_gaps(void **state)
{
	struct http1_bytes in = {0};
	size_t taken = 0;

	for (int r = 0; r < 20; r++) {
		for (int i = 0; i < r * 3; i++)
			http1_bytes_add(&in, "GET / HTTP/1.0\r\n\r\n", 18);
		http1_bytes_add(&in, "GET / HTTP/1.0\r\n", 16);
		for (int i = 0; i < KEDGE_FIELDS_MAX / 2; i++)
			http1_bytes_add(&in, "X-Forwarded-For: 1\r\nA:\r\n", 24);
		http1_bytes_add(&in, "\r\n", 2);
	}
	while (taken < in.len) {
		size_t n = http1_edit(&out, &h, &append, &note, in.data + taken, in.len - taken);

		assert_true(n > 0);
		assert_true(out.pieces <= HTTP1_EDIT_PIECES && out.copied <= HTTP1_EDIT_COPY);
		taken += n;
	}
	assert_int_equal(h.reason, 0);
	assert_int_equal(note.requests, 20 + 3 * 190);
	free(in.data);
}

/* Pieces that the list of one call has at the end of so many heads. */
static unsigned pieces_of(const char *line, unsigned lines, unsigned heads)
{
	struct http1_conf conf;
	struct http1_bytes in = {0};

	up(NULL);
	http1_case_conf(&conf, HTTP1_XFF_APPEND, 0x1e);
	http1_heads_add(&in, line, lines, heads);
	assert_int_equal(http1_edit(&out, &h, &conf, &note, in.data, in.len), in.len);
	assert_int_equal(note.requests, heads);
	free(in.data);
	return out.pieces;
}

/* http1.h: "A kept run that begins and ends within one input costs nothing." */
static void kept_lines_cost_nothing(void **state)
{
	for (unsigned heads = 1; heads <= 40; heads++)
		assert_int_equal(pieces_of("x:\r\n", KEDGE_FIELDS_MAX - 1, heads),
				 pieces_of("a:\r\n", KEDGE_FIELDS_MAX - 1, heads));
	/* Nor does a gap next to another. */
	assert_int_equal(pieces_of("x-forwarded-for:\r\n", KEDGE_FIELDS_MAX - 1, 1),
			 pieces_of("x-forwarded-for:\r\n", 1, 1));
}

#define PUT "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"

/* Exactly the bytes of the body: what follows is a request again. */
static void a_body_may_pass_unseen(void **state)
{
	assert_int_equal(edit_text(PUT "ab"), strlen(PUT "ab"));
	assert_int_equal(http1_edit_body_rest(&h), 8);
	assert_true(http1_edit_skip(&h, 5));
	assert_int_equal(http1_edit_body_rest(&h), 3);
	assert_int_equal(http1_standing(&h), KEDGE_BODY);
	assert_int_equal(edit_text("x"), 1);
	assert_true(http1_edit_skip(&h, 2));
	assert_int_equal(http1_edit_body_rest(&h), 0);
	assert_int_equal(http1_standing(&h), KEDGE_BETWEEN);
	assert_int_equal(edit_text(GET "\r\n"), strlen(GET "\r\n"));
	assert_out(GET OURS "\r\n");
	assert_int_equal(h.requests, 2);
}

/* Nothing changes if bytes are skipped that are not of such a body. */
static void nothing_else_may_pass_unseen(void **state)
{
	static const char *const places[] = {
		"",
		"\r",
		"GE",
		"GET / HTTP/1.1\r\nHo",
		GET "\r\n",
		GET "\r",
		PUT "0123456789",
		"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
		"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y",
		GET UPGRADE "\r\n",
		"?"};
	struct http1 before;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		up(state);
		edit_text(places[i]);
		before = h;
		assert_int_equal(http1_edit_body_rest(&h), 0);
		assert_false(http1_edit_skip(&h, 1));
		assert_false(http1_edit_skip(&h, 0));
		assert_memory_equal(&h, &before, sizeof(h));
	}
	http1_resume(&h, true); /* a tunnel has no end */
	up(state);
	edit_text(GET UPGRADE "\r\n");
	http1_resume(&h, true);
	assert_false(http1_edit_skip(&h, 1));
	up(state);
	edit_text(PUT);
	before = h;
	assert_false(http1_edit_skip(&h, 0));
	assert_false(http1_edit_skip(&h, 11));
	assert_false(http1_edit_skip(&h, UINT64_MAX));
	assert_memory_equal(&h, &before, sizeof(h));
	assert_true(http1_edit_skip(&h, 10));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, up)
	const struct CMUnitTest tests[] = {
		T(pieces_point_into_input_and_conf),
		T(values_are_copied),
		T(no_input_makes_no_pieces),
		T(a_held_run_waits_for_its_end),
		T(a_call_stops_behind_an_upgrade),
		T(what_was_complete_before_a_fault_goes_on),
		T(a_fault_in_a_body_takes_back_the_head_of_the_same_call),
		T(the_rest_of_the_note_is_left_alone),
		T(a_block_is_all_that_needs_no_reading),
		T(list_is_full),
		T(copies_are_full),
		T(most_gaps),
		T(kept_lines_cost_nothing),
		T(a_body_may_pass_unseen),
		T(nothing_else_may_pass_unseen),
	};

	return cmocka_run_group_tests_name("http1_edit", tests, NULL, NULL);
}
