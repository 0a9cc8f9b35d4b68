/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge/http1_body.h: bodies by length and in chunks, in blocks and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "http1_rules.h"

#define CHUNKED "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"

static struct http1_conf append;

static int setup(void **state)
{
	http1_case_conf(&append, HTTP1_XFF_APPEND, 0);
	return 0;
}

static void body_blocks(void **state)
{
	struct http1 h = {.state = HTTP1_BODY, .left = 10};

	assert_int_equal(http1_body(&h, 0), 0);
	assert_int_equal(http1_body(&h, 4), 4);
	assert_int_equal(http1_standing(&h), KEDGE_BODY);
	assert_int_equal(http1_body(&h, 100), 6);
	assert_true(http1_between(&h));
	assert_int_equal(http1_body(&h, 100), 0);

	h = (struct http1){.state = HTTP1_CHUNK, .left = (1ULL << 63) - 1};
	assert_int_equal(http1_body(&h, 1ULL << 62), 1ULL << 62);
	assert_int_equal(h.left, (1ULL << 62) - 1);
	assert_int_equal(http1_body(&h, UINT64_MAX), (1ULL << 62) - 1);
	assert_int_equal(h.state, HTTP1_CHUNK_CR);

	/* The same a byte at a time. */
	h = (struct http1){.state = HTTP1_BODY, .left = 2};
	assert_int_equal(http1_byte(&h, &append, '\n'), HTTP1_PASS);
	assert_int_equal(h.state, HTTP1_BODY);
	assert_int_equal(http1_byte(&h, &append, 0), HTTP1_PASS);
	assert_true(http1_between(&h));
	h = (struct http1){.state = HTTP1_CHUNK, .left = 1};
	assert_int_equal(http1_byte(&h, &append, '\r'), HTTP1_PASS);
	assert_int_equal(h.state, HTTP1_CHUNK_CR);
}

static void is_body(const char *body, enum kedge_standing standing)
{
	char in[1024], out[1024];

	snprintf(in, sizeof(in), CHUNKED "\r\n%s", body);
	snprintf(out, sizeof(out), CHUNKED OURS "\r\n%s", body);
	rules_accept(&append, in, out, standing);
}

static void is_refused(const char *body, enum kedge_reason reason)
{
	char in[1024];

	snprintf(in, sizeof(in), CHUNKED "\r\n%s", body);
	rules_refuse(&append, in, reason);
}

static void chunks(void **state)
{
	is_body("0\r\n\r\n", KEDGE_BETWEEN);
	is_body("5\r\nhello\r\n1;x=\"y\"\r\n\n\r\n000\r\nA: b\r\n\r\n", KEDGE_BETWEEN);
	is_body("aF\r\n0\r\n\r\n", KEDGE_BODY); /* looks like the end, and is data */
	is_body("0;last\r\n\r\n", KEDGE_BETWEEN);
	is_body("1\r\nx\r", KEDGE_BODY);
}

/* 1*HEXDIG, at most 16 of them, below 2^63. */
static void chunk_sizes(void **state)
{
	is_body("7fffffffffffffff\r\nx", KEDGE_BODY);
	is_body("0000000000000001\r\nx\r\n", KEDGE_BODY);
	is_refused("8000000000000000\r\n", KEDGE_REASON_http_chunk);
	is_refused("00000000000000001\r\n", KEDGE_REASON_http_chunk);
	is_refused("\r\n", KEDGE_REASON_http_chunk);
	is_refused(";x\r\n", KEDGE_REASON_http_chunk);
	is_refused("+1\r\n", KEDGE_REASON_http_chunk);
	is_refused("0x1\r\n", KEDGE_REASON_http_chunk);
	is_refused(" 1\r\n", KEDGE_REASON_http_chunk);
	is_refused("1 \r\n", KEDGE_REASON_http_chunk);
	is_refused("g\r\n", KEDGE_REASON_http_chunk);
}

static void ends_of_lines(void **state)
{
	is_refused("1\nx\r\n", KEDGE_REASON_http_chunk);
	is_refused("1\rx", KEDGE_REASON_http_chunk);
	is_refused("1\r\nxx", KEDGE_REASON_http_chunk);
	is_refused("1\r\nx\n", KEDGE_REASON_http_chunk);
	is_refused("1\r\nx\rx", KEDGE_REASON_http_chunk);
	is_refused("1;x\n", KEDGE_REASON_http_chunk);
	is_refused("0\r\n\n", KEDGE_REASON_http_bare_cr_lf);
	is_refused("0\r\n\rx", KEDGE_REASON_http_bare_cr_lf);
}

/* Passed unread, with a limit, and without bytes that no line may have. */
static void extensions(void **state)
{
	char body[KEDGE_CHUNK_EXT_BYTES_MAX + 64];

	is_body("1;\ta = \"b;c\"\r\nx\r\n", KEDGE_BODY);
	is_refused("1;\x01\r\n", KEDGE_REASON_http_chunk);
	is_refused("1;\x7f\r\n", KEDGE_REASON_http_chunk);
	is_refused("1;\x80\r\n", KEDGE_REASON_http_chunk);
	snprintf(body, sizeof(body), "1;%0*d\r\nx\r\n", KEDGE_CHUNK_EXT_BYTES_MAX, 0);
	is_body(body, KEDGE_BODY);
	snprintf(body, sizeof(body), "1;%0*d\r\nx\r\n", KEDGE_CHUNK_EXT_BYTES_MAX + 1, 0);
	is_refused(body, KEDGE_REASON_http_chunk);
}

/* As long as a head may be, whatever the head had. */
static void trailers_have_a_limit_of_their_own(void **state)
{
	const int longest = 200;
	struct http1_conf conf = append;
	char in[1024], out[1024], body[512];

	conf.head_bytes_max = longest;
	for (int more = 0; more <= 1; more++) {
		snprintf(body, sizeof(body), "0\r\nA: %0*d\r\n\r\n", longest + more - 7, 0);
		snprintf(in, sizeof(in), CHUNKED "\r\n%s", body);
		snprintf(out, sizeof(out), CHUNKED OURS "\r\n%s", body);
		if (more)
			rules_refuse(&conf, in, KEDGE_REASON_http_head_too_large);
		else
			rules_accept(&conf, in, out, KEDGE_BETWEEN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(body_blocks), cmocka_unit_test(chunks),
		cmocka_unit_test(chunk_sizes), cmocka_unit_test(ends_of_lines),
		cmocka_unit_test(extensions),  cmocka_unit_test(trailers_have_a_limit_of_their_own),
	};

	return cmocka_run_group_tests_name("http1_body", tests, setup, NULL);
}
