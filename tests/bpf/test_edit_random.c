/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams at random, in pieces at random, through both editors. KEDGE_RANDOM: how many;
 * KEDGE_SEED: the first one, which a failure names.
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

static uint64_t random_state;

static uint32_t rnd(uint32_t below)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(random_state >> 33) % below;
}

static void add_text(struct bytes *b, const char *s)
{
	bytes_add(b, s, strlen(s));
}

static void random_request(struct bytes *b)
{
	static const char *const lines[] = {
		"Host: a\r\n",
		"Accept: */*\r\n",
		"X-Forwarded-For: 10.0.0.1\r\n",
		"x-forwarded-for:2.2.2.2 , 3.3.3.3\t\r\n",
		"X-Forwarded-Proto: http\r\n",
		"X-Forwarded-Port: 1\r\n",
		"X-Real: x\r\n",
		"X-Forwarded-Fox: x\r\n",
		"X: \r\n",
		"Cookie: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
		"X-Forwarded-For:\r\n",
	};
	int kind = (int)rnd(8);

	if (rnd(12) == 0)
		add_text(b, "\r\n");
	add_text(b, rnd(6) ? "POST /p?q HTTP/1.1\r\nHost: h\r\n"
			   : "HEAD http://h/ HTTP/1.1\r\nHost: h\r\n");
	for (int i = (int)rnd(7); i > 0; i--)
		add_text(b, lines[1 + rnd(sizeof(lines) / sizeof(lines[0]) - (rnd(40) ? 1 : 2))]);
	if (kind == 0) {
		char head[64], *body = calloc(1, 20000);
		uint32_t n = rnd(4) ? rnd(40) : rnd(20000);

		snprintf(head, sizeof(head), "Content-Length: %u\r\n\r\n", n);
		add_text(b, head);
		memset(body, 'X', n);
		bytes_add(b, body, n);
		free(body);
	} else if (kind == 1) {
		char chunk[80];

		add_text(b, "Transfer-Encoding: chunked\r\n\r\n");
		for (int i = (int)rnd(5); i > 0; i--) {
			int n = (int)rnd(30) + 1;

			snprintf(chunk, sizeof(chunk), "%x\r\n%.*s\r\n", (unsigned)n, n,
				 "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX");
			add_text(b, chunk);
		}
		add_text(b, rnd(2) ? "0\r\n\r\n" : "0\r\nX-T: 1\r\n\r\n");
	} else if (kind == 2 && !rnd(3)) {
		add_text(b, "Connection: upgrade\r\nUpgrade: x\r\n\r\n");
	} else {
		add_text(b, "\r\n");
	}
}

/* Heads of one sort of line, about as many as are allowed. */
static void random_heads(struct bytes *b)
{
	struct http1_bytes heads = {0};
	uint32_t sorts = 0;

	while (http1_sorts[sorts])
		sorts++;
	http1_heads_add(&heads, http1_sorts[rnd(sorts)],
			rnd(2) ? KEDGE_FIELDS_MAX - rnd(3) : 1 + rnd(KEDGE_FIELDS_MAX), 1 + rnd(8));
	bytes_add(b, heads.data, heads.len);
	free(heads.data);
}

/* The shortest requests, as many as a send holds and more. */
static void random_shortest(struct bytes *b)
{
	for (uint32_t n = rnd(2) ? rnd(40) : KEDGE_SEND_HEADS_MAX - 4 + rnd(8); n > 0; n--)
		add_text(b, "A / HTTP/1.0\r\n\r\n");
}

/* A head about as large as is allowed. */
static void random_large(struct bytes *b, __u32 max)
{
	size_t end = b->len + max - 1 - 4 + rnd(3);

	add_text(b, GET "Cookie: ");
	while (b->len < end)
		bytes_add(b, "vvvvvvvvvvvvvvvv", end - b->len < 16 ? end - b->len : 16);
	add_text(b, "\r\n\r\n");
}

static void random_stream(struct bytes *b, __u32 head_bytes_max)
{
	switch (rnd(8)) {
	case 0:
		random_heads(b);
		break;
	case 1:
		random_shortest(b);
		break;
	case 2:
		random_large(b, head_bytes_max);
		break;
	}
	for (int i = (int)(rnd(4) ? 1 + rnd(12) : rnd(200)); i >= 0; i--)
		random_request(b);
}

static bool random_case(uint64_t seed)
{
	static const __u32 limits[] = {KEDGE_HEAD_BYTES_LEAST, KEDGE_HEAD_BYTES_DEFAULT,
				       KEDGE_HEAD_BYTES_MAX};
	struct bytes b = {0};
	struct http1_conf c;
	size_t *cuts, n = 0, step;
	bool ok;

	random_state = seed;
	conf_make(&c, rnd(3) ? HTTP1_XFF_APPEND : rnd(4), (__u16)(rnd(2) ? 0 : rnd(0x200)));
	c.head_bytes_max = limits[rnd(3)];
	random_stream(&b, c.head_bytes_max);
	if (!rnd(3))
		b.p[rnd((uint32_t)b.len)] = (uint8_t)rnd(256);
	/* No piece is more than the mover gives at once. */
	step = (size_t[]){3, 20, 200, 2000, KEDGE_SEND_BYTES_MAX}[rnd(5)];
	cuts = calloc(b.len + 1, sizeof(*cuts));
	for (size_t at = rnd((uint32_t)step) + 1; at < b.len; at += rnd((uint32_t)step) + 1)
		cuts[n++] = at;
	ok = same(&c, b.p, b.len, cuts, n, rnd(16));
	free(cuts);
	bytes_free(&b);
	return ok;
}

static void random_streams(void **state)
{
	const char *text = getenv("KEDGE_SEED"), *count = getenv("KEDGE_RANDOM");
	uint64_t seed = text ? strtoull(text, NULL, 0) : 1;
	int n = count ? atoi(count) : 150;

	for (int i = 0; i < n; i++, seed++)
		if (!random_case(seed))
			fail_msg("seed %llu", (unsigned long long)seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_streams),
	};
	int failed;

	need_root();
	failed = cmocka_run_group_tests_name("over TCP", tests, both_setup, both_teardown);
	both_bypass = true;
	return failed +
	       cmocka_run_group_tests_name("with bypass", tests, both_setup, both_teardown);
}
