/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run: take_start short --unwind 7
 * Run: take_start_req long --unwind 7
 * Run: take_path short --unwind 18
 * Run: take_name long --unwind 9
 * Run: take_value short --unwind 18
 * Run: take_host short --unwind 10
 *
 * http1_take() of a block leaves the state that http1_byte() leaves when it gets the bytes that
 * were taken, one by one, and each of these passes. From every state that has the invariant, with
 * every configuration, and for all bytes.
 *
 * Bounds: a block of 8 bytes of a start and of a name, 10 of a host, 18 of a value, 19 of a target.
 * In longer ones a value or a target has more words, and each is read like the first two.
 *
 * Not in it: http1_take_line(), which needs 25 bytes; the solver does not come to an end with so
 * many. tests/unit/kedge/test_http1_take.c tries them.
 */
#include <stddef.h>

#include "any_http1.h"

/* Behind a block there is room for the places that http1_take() compares with its end. */
#define BEHIND HTTP1_TAKE_BYTES

static struct http1 taken, fed;
static struct http1_conf conf;

/* What is taken of a block of at most so many bytes, in this state. */
static __u32 take(__u8 state, const __u8 *bytes, __u32 block)
{
	__u32 len, n;

	any_http1(&taken, &conf);
	ASSUME(taken.state == state);
	taken.state = state;
	fed = taken;
	INPUT(len);
	ASSUME(len <= block);
	n = http1_take(&taken, &conf, bytes, bytes + len);
	PROVE(n <= len);
	return n;
}

/* One byte, which leads to this state. From there it is no variable: so the formula stays small. */
static void feed(__u8 b, __u8 to)
{
	PROVE(http1_byte(&fed, &conf, b) == HTTP1_PASS);
	PROVE(fed.state == to);
	fed.state = to;
}

static void feed_crlf(const __u8 *p)
{
	PROVE(p[0] == '\r' && p[1] == '\n');
	feed('\r', HTTP1_VALUE_LF);
	feed('\n', HTTP1_FIELD);
	REACH("the end of a line");
}

/* Each byte of the state. What is in the token behind len has no meaning. */
static void prove_same(void)
{
	const __u8 *a = (const __u8 *)&taken, *b = (const __u8 *)&fed;
	__u32 i;

	PROVE(http1_holds(&taken, &conf));
	ASSUME(i < sizeof(taken));
	ASSUME(i < offsetof(struct http1, token) + taken.len ||
	       i >= offsetof(struct http1, token) + HTTP1_TOKEN_MAX);
	PROVE(a[i] == b[i]);
}

/* So many bytes in one state, and perhaps a CRLF. */
static void feed_run(const __u8 *bytes, __u32 n, __u8 state)
{
	bool crlf = taken.state != state;
	__u32 run = crlf ? n - 2 : n, i;

	PROVE(run <= n);
	for (i = 0; i < run; i++)
		feed(bytes[i], state);
	if (crlf)
		feed_crlf(bytes + run);
}

void prove_take_name(void)
{
	__u8 bytes[8 + BEHIND];
	__u32 n = take(HTTP1_NAME, bytes, 8), i;

	for (i = 0; i < n; i++)
		feed(bytes[i], HTTP1_NAME);
	if (n == 8)
		REACH("a whole word");
	prove_same();
}

void prove_take_value(void)
{
	__u8 bytes[18 + BEHIND];
	__u32 n = take(HTTP1_VALUE, bytes, 18);

	feed_run(bytes, n, HTTP1_VALUE);
	if (n == 18)
		REACH("two words and a CRLF");
	prove_same();
}

void prove_take_host(void)
{
	__u8 bytes[10 + BEHIND];
	__u32 n = take(HTTP1_HOST, bytes, 10);

	feed_run(bytes, n, HTTP1_HOST);
	if (n == 10)
		REACH("a word and a CRLF");
	prove_same();
}

/* From one of the two states before a request. */
static void start(__u8 state)
{
	__u8 bytes[8 + BEHIND];
	__u32 n = take(state, bytes, 8), i;

	PROVE(n == 0 || n == 5 || n == 6);
	if (n) {
		for (i = 0; i < n - 2; i++)
			feed(bytes[i], HTTP1_METHOD);
		feed(bytes[i], HTTP1_TARGET);
		feed(bytes[i + 1], HTTP1_PATH);
		REACH("a method");
	}
	prove_same();
}

void prove_take_start(void)
{
	start(HTTP1_START);
}

void prove_take_start_req(void)
{
	start(HTTP1_START_REQ);
}

void prove_take_path(void)
{
	__u8 bytes[19 + BEHIND];
	__u32 n = take(HTTP1_PATH, bytes, 19), i;
	bool version = taken.state != HTTP1_PATH;
	__u32 run = version ? n - 11 : n;

	PROVE(run <= n);
	for (i = 0; i < run; i++)
		feed(bytes[i], HTTP1_PATH);
	if (version) {
		feed(bytes[run], HTTP1_VERSION);
		for (i = 1; i < 8; i++)
			feed(bytes[run + i], HTTP1_VERSION);
		feed(bytes[run + 8], HTTP1_LINE_CR);
		feed(bytes[run + 9], HTTP1_LINE_LF);
		feed(bytes[run + 10], HTTP1_FIELD);
		REACH("the end of a request line");
	}
	prove_same();
}
