/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compares both editors at the bounds: heads with one sort of line only (tests/lib/http1_heads.h),
 * as many of the shortest requests as a send holds, heads of the largest sizes. KEDGE_STRIDE: bytes
 * in a piece (3); a larger value also skips sorts of lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "both.h"
#include "tests/lib/http1_heads.h"

/* Confs that cut, keep or refuse lines. */
static const struct {
	enum http1_mode mode;
	__u16 flags;
} confs[] = {
	{HTTP1_XFF_APPEND, 0xfe},
	{HTTP1_XFF_APPEND, 0x1ce},
	{HTTP1_XFF_REPLACE, 0x01},
	{HTTP1_XFF_NEVER, 0},
};
#define CONFS (sizeof(confs) / sizeof(confs[0]))

/* In pieces of so many bytes. */
static bool same_cut(const struct http1_conf *c, const struct http1_bytes *in, size_t piece)
{
	size_t *cuts = calloc(in->len / piece + 1, sizeof(*cuts)), n = 0;
	bool ok;

	assert_non_null(cuts);
	for (size_t at = piece; at < in->len; at += piece)
		cuts[n++] = at;
	ok = same(c, in->data, in->len, cuts, n, 0);
	free(cuts);
	return ok;
}

static void check_sort(const char *line, unsigned lines, unsigned heads, size_t piece)
{
	struct http1_bytes in = {0};

	http1_heads_add(&in, line, lines, heads);
	for (size_t k = 0; k < CONFS; k++) {
		struct http1_conf c;

		conf_make(&c, confs[k].mode, confs[k].flags);
		if (!same_cut(&c, &in, piece))
			fail_msg("%s: %u lines in %u heads, mode %u, flags %#x, pieces of %zu: "
				 "the editors differ",
				 line, lines, heads, c.mode, c.flags, piece);
	}
	free(in.data);
}

static size_t stride(void)
{
	const char *text = getenv("KEDGE_STRIDE");

	return text ? strtoul(text, NULL, 0) : 3;
}

/* Skips some sorts of line; stops at the end of the list. */
static size_t later(size_t i)
{
	for (size_t n = 1 + stride() / 4; n && http1_sorts[i]; n--)
		i++;
	return i;
}

static void one_sort_of_line(void **state)
{
	(void)state;
	for (size_t i = 0; http1_sorts[i]; i = later(i)) {
		check_sort(http1_sorts[i], KEDGE_FIELDS_MAX - 1, 1, KEDGE_SEND_BYTES_MAX);
		check_sort(http1_sorts[i], KEDGE_FIELDS_MAX - 1, 10, KEDGE_SEND_BYTES_MAX);
		check_sort(http1_sorts[i], KEDGE_FIELDS_MAX, 2, KEDGE_SEND_BYTES_MAX);
		check_sort(http1_sorts[i], KEDGE_FIELDS_MAX - 1, 2, 500 + i);
	}
}

static void one_sort_of_line_in_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; http1_sorts[i]; i = later(i))
		check_sort(http1_sorts[i], 6, 2, stride() + i % 2);
}

/* The first request begins in an earlier send, so that one more head ends in this send. */
static void shortest_requests(void **state)
{
	static const char shortest[KEDGE_REQUEST_BYTES_MIN + 1] = "A / HTTP/1.0\r\n\r\n";
	struct http1_bytes in = {0};

	(void)state;
	for (unsigned i = 0; i < 2 * KEDGE_SEND_HEADS_MAX; i++)
		http1_bytes_add(&in, shortest, KEDGE_REQUEST_BYTES_MIN);
	for (int mode = HTTP1_XFF_APPEND; mode <= HTTP1_XFF_NEVER; mode++)
		for (size_t first = 1; first <= KEDGE_REQUEST_BYTES_MIN; first++) {
			size_t cuts[] = {first, first + KEDGE_SEND_BYTES_MAX};
			struct http1_conf c;

			/* Each of these makes a part of a message, so a few are enough. */
			if (mode != HTTP1_XFF_NEVER && first % 8 != 7)
				continue;
			conf_make(&c, mode, 0);
			if (!same(&c, in.data, in.len, cuts, 2, 0))
				fail_msg("mode %d, first piece %zu: the editors differ", mode,
					 first);
		}
	free(in.data);
}

/* Behind as many as there can be, a head of nothing but lines that are cut: the most steps. */
static void shortest_requests_and_lines_cut(void **state)
{
	static const char shortest[] = "A / HTTP/1.0\r\n\r\n";
	const size_t cut = strlen("Forwarded:\r\n") * KEDGE_FIELDS_MAX + strlen(shortest);
	struct http1_bytes in = {0};
	struct http1_conf c;

	(void)state;
	while (in.len + KEDGE_REQUEST_BYTES_MIN + cut <= KEDGE_SEND_BYTES_MAX)
		http1_bytes_add(&in, shortest, KEDGE_REQUEST_BYTES_MIN);
	http1_bytes_add(&in, shortest, KEDGE_REQUEST_BYTES_MIN - 2);
	for (unsigned i = 0; i < KEDGE_FIELDS_MAX; i++)
		http1_bytes_add(&in, "Forwarded:\r\n", strlen("Forwarded:\r\n"));
	http1_bytes_add(&in, "\r\n", 2);
	conf_make(&c, HTTP1_XFF_NEVER, HTTP1_STRIP);
	assert_true(same(&c, in.data, in.len, NULL, 0, 0));
	free(in.data);
}

/* A head of `bytes` bytes; `line` as often as it has room, then a value. */
static void head_of(struct http1_bytes *in, size_t bytes, const char *line, unsigned lines)
{
	size_t from = in->len;

	http1_bytes_add(in, GET, strlen(GET));
	while (lines--)
		http1_bytes_add(in, line, strlen(line));
	http1_bytes_add(in, "Cookie: ", 8);
	while (in->len - from < bytes - 4)
		http1_bytes_add(in, "v", 1);
	http1_bytes_add(in, "\r\n\r\n", 4);
}

/* Exactly the limit, and one more. Several in one input, so that sends end at any place. */
static void largest_heads(void **state)
{
	static const __u32 sizes[] = {KEDGE_HEAD_BYTES_LEAST, 16384, KEDGE_HEAD_BYTES_DEFAULT,
				      KEDGE_HEAD_BYTES_MAX};
	static const char *const lines[] = {"x:\r\n", "X-Forwarded-For: 1\r\na:\r\n"};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		__u32 size = sizes[i / 2];
		struct http1_bytes in = {0};
		struct http1_conf c;

		conf_make(&c, HTTP1_XFF_APPEND, 0);
		c.head_bytes_max = size;
		for (int n = 0; n < 3; n++)
			head_of(&in, size, lines[i % 2], 60);
		assert_true(same_cut(&c, &in, KEDGE_SEND_BYTES_MAX));
		assert_true(same_cut(&c, &in, 4001));
		head_of(&in, size + 1, lines[i % 2], 60);
		assert_true(same_cut(&c, &in, KEDGE_SEND_BYTES_MAX));
		assert_true(same_cut(&c, &in, 4001));
		free(in.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_sort_of_line),
		cmocka_unit_test(one_sort_of_line_in_pieces),
		cmocka_unit_test(shortest_requests),
		cmocka_unit_test(shortest_requests_and_lines_cut),
		cmocka_unit_test(largest_heads),
	};
	int failed;

	need_root();
	failed = cmocka_run_group_tests_name("over TCP", tests, both_setup, both_teardown);
	both_bypass = true;
	return failed +
	       cmocka_run_group_tests_name("with bypass", tests, both_setup, both_teardown);
}
