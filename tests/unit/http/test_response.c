/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/http/response.c: each sample in one piece, cut at every byte, and byte by byte, next to a
 * guard page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/http/response_feed.h"

struct sample {
	const char *what;
	const char *bytes;
	uint32_t requests; /* heads the application has had */
	uint64_t heads;    /* bits: which of them were HEAD */
	enum kedge_standing standing;
	enum response_event event;
	uint32_t done, finals;
	enum response_state state;
};

#define OK "HTTP/1.1 200 OK\r\n"

static const struct sample samples[] = {
	{"counted body", OK "Content-Length: 5\r\n\r\nhello", 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET,
	 1, 1, RESPONSE_LINE},
	{"counted body, cut short", OK "Content-Length: 6\r\n\r\nhello", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 0, 1, RESPONSE_BODY},
	{"name in other case, space after the number", OK "cOnTeNt-LeNgTh:5 \r\n\r\nhello", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"empty body", OK "Content-Length: 0\r\n\r\n", 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 1, 1,
	 RESPONSE_LINE},
	{"three pipelined",
	 OK "Content-Length: 1\r\n\r\na" OK "Content-Length: 0\r\n\r\n" OK
	    "Content-Length: 2\r\n\r\nbc",
	 3, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 3, 3, RESPONSE_LINE},
	{"chunked", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n", 1,
	 0, KEDGE_BETWEEN, RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"chunked as the last coding", OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"chunked with trailers",
	 OK "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\nX: y\r\nZ: w\r\n\r\n", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"until the end of the stream", OK "Server: x\r\n\r\nabc", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 0, 1, RESPONSE_TO_END},
	{"HEAD has a length and no body",
	 OK "Content-Length: 500\r\n\r\n" OK "Content-Length: 1\r\n\r\nx", 2, 1, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 2, 2, RESPONSE_LINE},
	{"second request was the HEAD",
	 OK "Content-Length: 1\r\n\r\nx" OK "Content-Length: 500\r\n\r\n", 2, 2, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 2, 2, RESPONSE_LINE},
	{"304 has no body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"204 has no body", "HTTP/1.1 204 No Content\r\n\r\n", 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET,
	 1, 1, RESPONSE_LINE},
	{"100 is not the answer", "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 0\r\n\r\n", 1,
	 0, KEDGE_BODY, RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"103 with fields is not the answer",
	 "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK "Content-Length: 0\r\n\r\n", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"101 that was asked for",
	 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nHTTP/1.1 raw", 1, 0, KEDGE_WAITING,
	 RESPONSE_SWITCHED, 0, 1, RESPONSE_TUNNEL},
	{"101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\n\r\n", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_REFUSED, 0, 0, RESPONSE_LINE},
	{"101 to an earlier request than the waiting one",
	 "HTTP/1.1 101 Switching Protocols\r\n\r\n", 2, 0, KEDGE_WAITING, RESPONSE_REFUSED, 0, 0,
	 RESPONSE_LINE},
	{"an earlier answer does not end the waiting", OK "Content-Length: 1\r\n\r\nx", 2, 0,
	 KEDGE_WAITING, RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"upgrade declined", OK "Content-Length: 2\r\n\r\nno", 1, 0, KEDGE_WAITING,
	 RESPONSE_DECLINED, 1, 1, RESPONSE_LINE},
	{"answer that nobody asked for ends with the stream",
	 "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", 0, 0, KEDGE_HEAD,
	 RESPONSE_QUIET, 0, 1, RESPONSE_TO_END},
	{"the same behind an answer", OK "Content-Length: 0\r\n\r\nHTTP/1.1 503 X\r\n\r\n", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_UNASKED, 1, 1, RESPONSE_LINE},
	{"the same while the body that was answered still comes",
	 OK "Content-Length: 0\r\n\r\nHTTP/1.1 400 X\r\n\r\n", 1, 0, KEDGE_BODY, RESPONSE_UNASKED,
	 1, 1, RESPONSE_LINE},
	{"an interim one that nobody asked for",
	 OK "Content-Length: 0\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_UNASKED, 1, 1, RESPONSE_LINE},
	{"101 that nobody asked for, behind an answer",
	 OK "Content-Length: 0\r\n\r\nHTTP/1.1 101 X\r\n\r\n", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_UNASKED, 1, 1, RESPONSE_LINE},
	{"an answer to half a head",
	 OK "Content-Length: 0\r\n\r\nHTTP/1.1 414 URI Too Long\r\n\r\nx", 1, 0, KEDGE_HEAD,
	 RESPONSE_QUIET, 1, 2, RESPONSE_TO_END},
	{"an answer to half a head is the last",
	 OK
	 "Content-Length: 0\r\n\r\nHTTP/1.1 414 X\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n",
	 1, 0, KEDGE_HEAD, RESPONSE_UNASKED, 1, 2, RESPONSE_LINE},
	{"half a status line that nobody asked for", OK "Content-Length: 0\r\n\r\nHTTP/1.1 5", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"bytes behind an answer", OK "Content-Length: 2\r\n\r\nok\r\n", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_STRAY, 1, 1, RESPONSE_LINE},
	{"bytes behind an answer that has no body", "HTTP/1.1 204 X\r\n\r\nHTTP/2", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_STRAY, 1, 1, RESPONSE_LINE},
	{"the body of an answer to HEAD", OK "Content-Length: 4\r\n\r\nbody", 1, 1, KEDGE_BETWEEN,
	 RESPONSE_STRAY, 1, 1, RESPONSE_LINE},
	{"bytes behind an answer, another one due",
	 OK "Content-Length: 2\r\n\r\nok\r\n" OK "Content-Length: 0\r\n\r\n", 2, 0, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 1, 1, RESPONSE_LOST},
	{"an empty line before the status line", "\r\n" OK "Content-Length: 0\r\n\r\n", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"a longer status", "HTTP/1.1 2000\r\nContent-Length: 0\r\n\r\n", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"a status below 100", "HTTP/1.1 099 X\r\n\r\n", 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 0, 0,
	 RESPONSE_LOST},
	{"a status line without a reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"another version", "HTTP/2.0 200 OK\r\n\r\n", 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 0, 0,
	 RESPONSE_LOST},
	{"a list of lengths", OK "Content-Length: 2, 2\r\n\r\nok", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"a length with a sign", OK "Content-Length: +2\r\n\r\nok", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"a length with a space before the colon", OK "Content-Length : 2\r\n\r\nok", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"a length in the line after", OK "Content-Length:\r\n 2\r\n\r\nok", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"a length that goes on", OK "Content-Length: 2\r\n 2\r\n\r\nok", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"two lengths", OK "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"the same length twice", OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"a coding that does not frame, and a length",
	 OK "Transfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 0, 1, RESPONSE_LOST},
	{"a coding that only ends like chunked", OK "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 0, 1, RESPONSE_TO_END},
	{"chunked behind another word, without a comma",
	 OK "Transfer-Encoding: gzip chunked\r\n\r\n0\r\n\r\n", 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET,
	 0, 1, RESPONSE_TO_END},
	{"chunked with a space before the colon", OK "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
	 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"a chunk size after a space", OK "Transfer-Encoding: chunked\r\n\r\n 1\r\na\r\n", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 0, 1, RESPONSE_LOST},
	{"a chunk size with a prefix", OK "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 0, 1, RESPONSE_LOST},
	{"not HTTP", "SSH-2.0-x\r\n", 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"length that is no number", OK "Content-Length: 5x\r\n\r\n", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"a chunk size of more than 64 bits",
	 OK "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 0, 1, RESPONSE_LOST},
	{"chunk size that is no number", OK "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 0, 1, RESPONSE_LOST},
	{"bytes after a chunk that are not its end",
	 OK "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 0,
	 1, RESPONSE_LOST},
	{"long lines",
	 OK "X-Long: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
	    "Content-Length: 3\r\n\r\nabc",
	 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"bare LF lines are read as a lenient client would",
	 "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 1, 1,
	 RESPONSE_LINE},
	{"a length beyond what is kept of a line is not believed",
	 OK
	 "Content-Length:                                                             1\r\n\r\nx",
	 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"a chunk size beyond what is kept of a line is not believed",
	 OK "Transfer-Encoding: chunked\r\n\r\n"
	    "00000000000000000000000000000000000000000000000000000000000000000005\r\nhello\r\n",
	 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 0, 1, RESPONSE_LOST},
	{"a chunk extension beyond what is kept of a line does not matter",
	 OK "Transfer-Encoding: chunked\r\n\r\n"
	    "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n"
	    "0\r\n\r\n",
	 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"a long chunk extension that LF alone ends",
	 OK "Transfer-Encoding: chunked\r\n\r\n"
	    "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nx\r\n"
	    "0\r\n\r\n",
	 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 0, 1, RESPONSE_LOST},
	{"a CR within a long line, behind what is kept of it",
	 OK "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\ra\r\n"
	    "Content-Length: 1\r\n\r\nx",
	 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"a CR within a field", OK "X: a\rContent-Length: 5\r\nContent-Length: 1\r\n\r\nx", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"a CR before CRLF", OK "Content-Length: 1\r\r\n\r\nx", 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET,
	 0, 0, RESPONSE_LOST},
	{"a CR within the status line", "HTTP/1.1 200 O\rK\r\nContent-Length: 1\r\n\r\nx", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"a CR within a trailer", OK "Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\rb\r\n\r\n", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 0, 1, RESPONSE_LOST},
	{"a CR in a body is data", OK "Content-Length: 3\r\n\r\na\rb", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"a chunk size that LF alone ends",
	 OK "Transfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n", 1, 0, KEDGE_BETWEEN,
	 RESPONSE_QUIET, 0, 1, RESPONSE_LOST},
	{"a chunk extension that LF alone ends", OK "Transfer-Encoding: chunked\r\n\r\n0;x\n\r\n",
	 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 0, 1, RESPONSE_LOST},
	{"a CR within a chunk extension", OK "Transfer-Encoding: chunked\r\n\r\n0;x\ry\r\n\r\n", 1,
	 0, KEDGE_BETWEEN, RESPONSE_QUIET, 0, 1, RESPONSE_LOST},
	{"LF alone behind a chunk", OK "Transfer-Encoding: chunked\r\n\r\n1\r\nx\n0\r\n\r\n", 1, 0,
	 KEDGE_BETWEEN, RESPONSE_QUIET, 0, 1, RESPONSE_LOST},
	{"a colon beyond what is kept of a line",
	 OK
	 "Content-Length: 1\r\n"
	 "Transfer-Encoding                                                     : chunked\r\n\r\nx",
	 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 0, 0, RESPONSE_LOST},
	{"a long name that begins like one that frames",
	 OK
	 "Content-Length: 1\r\n"
	 "Transfer-Encodingaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: chunked\r\n\r\nx",
	 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 1, 1, RESPONSE_LINE},
	{"nothing yet", "", 1, 0, KEDGE_BETWEEN, RESPONSE_QUIET, 0, 0, RESPONSE_LINE},
};

/*
 * How many bytes go on: all except an incomplete status line, and except the last response if it
 * must not go on.
 */
static size_t good_of(const struct sample *s, size_t n)
{
	const char *at, *last = s->bytes;

	if (s->event == RESPONSE_STRAY)
		return strlen(s->bytes) - strlen(strstr(s->bytes, "\r\n\r\n") + 4) +
		       (s->heads || strstr(s->bytes, " 204 ") ? 0 : 2);
	for (at = s->bytes; (at = strstr(at, "HTTP/1.1 ")); at++)
		last = at;
	return s->event >= RESPONSE_REFUSED ||
			       (s->state == RESPONSE_LINE && strlen(last) < RESPONSE_HELD_MAX)
		       ? (size_t)(last - s->bytes)
		       : n;
}

static uint32_t classes_sum(const struct response_counts *counts)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < RESPONSE_CLASSES; i++)
		sum += counts->classes[i];
	return sum;
}

/* Feeds the sample, cut at one place or byte by byte, and compares the results. */
static void check(const struct sample *s, size_t cut, bool bytewise)
{
	struct kedge_note note = {.requests = s->requests, .standing = s->standing};
	struct response_counts counts = {0};
	enum response_event event = RESPONSE_QUIET, last;
	struct response r = {0};
	size_t n = strlen(s->bytes), step = bytewise ? 1 : n, good = 0;

	note.head_bits[0] = s->heads;
	for (size_t at = 0; at < n && event < RESPONSE_REFUSED; at += step) {
		step = bytewise ? 1 : at < cut ? cut - at : n - at;
		last = feed(&r, &note, s->bytes + at, step, &counts);
		good += counts.good;
		if (last != RESPONSE_QUIET)
			event = last;
	}
	if (event != s->event || r.done != s->done || counts.finals != s->finals ||
	    classes_sum(&counts) != s->finals || r.state != s->state)
		fail_msg("%s, cut at %zu: event %d done %u finals %u state %u", s->what, cut, event,
			 r.done, counts.finals, r.state);
	if (good != good_of(s, n))
		fail_msg("%s, cut at %zu: %zu bytes go on", s->what, cut, good);
}

static void every_sample_at_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		for (size_t cut = 0; cut <= strlen(samples[i].bytes); cut++)
			check(&samples[i], cut, false);
		check(&samples[i], 0, true);
	}
}

static void between_only_where_kedge_could_answer(void **state)
{
	static const char rest[] = "TTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
	struct kedge_note note = {.requests = 1};
	struct response_counts counts = {0};
	struct response r = {0};

	(void)state;
	assert_true(response_between(&r));
	response_feed(&r, &note, "H", 1, &counts);
	assert_int_equal(counts.good, 0);
	assert_true(response_between(&r));
	response_feed(&r, &note, rest, 10, &counts);
	assert_int_equal(counts.good, 0);
	assert_true(response_between(&r));
	response_feed(&r, &note, rest + 10, strlen(rest) - 10, &counts);
	assert_int_equal(counts.good, strlen(rest) + 1);
	assert_false(response_between(&r));
	assert_int_equal(response_outstanding(&r, &note), 1);
	response_feed(&r, &note, "x", 1, &counts);
	assert_true(response_between(&r));
	assert_int_equal(response_outstanding(&r, &note), 0);
}

/* The bits are a ring; the count of responses goes on. */
static void the_oldest_request_may_be_a_head(void **state)
{
	struct kedge_note note = {.requests = 3 * KEDGE_NOTE_RING};
	struct response r = {.done = KEDGE_NOTE_RING + 70};

	assert_false(response_to_head(&r, &note));
	note.head_bits[1] = 1ULL << 6;
	assert_true(response_to_head(&r, &note));
	r.done++;
	assert_false(response_to_head(&r, &note));
	r.done += KEDGE_NOTE_RING - 1;
	assert_true(response_to_head(&r, &note));
}

static void each_bit_is_of_one_response(void **state)
{
	for (uint32_t i = 0; i < KEDGE_NOTE_RING; i++) {
		struct kedge_note note = {0};
		struct response r = {0};

		note.head_bits[i / 64] = 1ULL << i % 64;
		for (; r.done < KEDGE_NOTE_RING; r.done++)
			if (response_to_head(&r, &note) != (r.done == i))
				fail_msg("bit %u, response %u", i, r.done);
	}
}

/* kedge may say something behind an interim response, and the final one is still owed. */
static void behind_an_interim_response(void **state)
{
	static const char *const interim[] = {"HTTP/1.1 100 X\r\n\r\n", "HTTP/1.1 199 X\r\n\r\n"};

	for (int i = 0; i < 2; i++) {
		struct kedge_note note = {.requests = 1};
		struct response_counts counts = {0};
		struct response r = {0};

		feed_text(&r, &note, interim[i], &counts);
		assert_true(response_between(&r) && r.interim);
		assert_int_equal(response_outstanding(&r, &note), 1);
		assert_int_equal(counts.finals, 0);
		feed_text(&r, &note, OK "Content-Length: 0\r\n\r\n", &counts);
		assert_true(response_between(&r) && !r.interim);
		assert_int_equal(response_outstanding(&r, &note), 0);
		assert_int_equal(counts.finals, 1);
	}
}

/* A response that began before its request stays unasked. */
static void a_request_does_not_make_it_asked(void **state)
{
	static const char text[] = OK "Content-Length: 0\r\n\r\n";
	struct kedge_note note = {.requests = 1};
	struct response_counts counts = {0};
	struct response r = {0};

	feed_text(&r, &note, text, &counts);
	feed_text(&r, &note, "HTT", &counts);
	note.requests = 2;
	assert_int_equal(feed(&r, &note, text + 3, strlen(text) - 3, &counts), RESPONSE_UNASKED);
	assert_int_equal(counts.good, 0);
}

/* A line that fills the room is whole, in pieces as well. */
static void the_longest_line_that_is_read(void **state)
{
	char text[RESPONSE_LINE_KEPT + 64];
	int n = snprintf(text, sizeof(text), OK "Content-Length:%*d\r\n\r\nx",
			 RESPONSE_LINE_KEPT - 16, 1);

	for (int cut = 0; cut <= n; cut++) {
		struct kedge_note note = {.requests = 1};
		struct response_counts counts = {0};
		struct response r = {0};

		feed(&r, &note, text, (size_t)cut, &counts);
		feed(&r, &note, text + cut, (size_t)(n - cut), &counts);
		if (r.done != 1)
			fail_msg("cut at %d", cut);
	}
}

/* A reason of n bytes with one that matters at `at`. */
static void feed_reason(struct response *r, size_t n, size_t at, char byte, size_t cut)
{
	char text[128] = "HTTP/1.1 200 ";
	struct kedge_note note = {.requests = 1};
	struct response_counts counts = {0};
	size_t begin = strlen(text), all = begin + n + 2;

	memset(text + begin, 'a', n);
	text[begin + at] = byte;
	text[begin + n] = '\r';
	text[begin + n + 1] = '\n';
	*r = (struct response){0};
	feed(r, &note, text, cut, &counts);
	feed(r, &note, text + cut, all - cut, &counts);
}

/* Lines are looked through in words: a byte may be anywhere in one, or behind the last. */
static void each_byte_of_a_line_is_looked_at(void **state)
{
	for (size_t n = 1; n < 80; n++) {
		for (size_t at = 0; at < n; at++) {
			size_t cut = 1 + (n * 7 + at * 3) % (n + 14);
			struct response r;

			feed_reason(&r, n, at, 'b', cut);
			assert_true(r.state == RESPONSE_FIELDS && response_clean(&r));
			feed_reason(&r, n, at, '\t', cut);
			assert_true(r.state == RESPONSE_FIELDS && response_clean(&r));
			feed_reason(&r, n, at, 0, cut);
			assert_true(r.state == RESPONSE_FIELDS && !response_clean(&r));
			feed_reason(&r, n, at, '\r', cut);
			assert_int_equal(r.state, RESPONSE_LOST);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sample_at_every_cut),
		cmocka_unit_test(between_only_where_kedge_could_answer),
		cmocka_unit_test(the_oldest_request_may_be_a_head),
		cmocka_unit_test(each_bit_is_of_one_response),
		cmocka_unit_test(behind_an_interim_response),
		cmocka_unit_test(a_request_does_not_make_it_asked),
		cmocka_unit_test(the_longest_line_that_is_read),
		cmocka_unit_test(each_byte_of_a_line_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
