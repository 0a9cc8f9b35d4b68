/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge/http1_take.h: many bytes at a time give the same as http1_byte() one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "tests/lib/guard.h"
#include "tests/lib/http1_corpus.h"
#include "tests/lib/random.h"

#define INPUT_MAX 160

static struct http1_conf append, all_cut;
static struct guard guard;

static int setup(void **state)
{
	(void)state;
	http1_case_conf(&append, HTTP1_XFF_APPEND, 0);
	http1_case_conf(&all_cut, HTTP1_XFF_APPEND, 0xff);
	guard_new(&guard, NULL, INPUT_MAX, GUARD_AFTER);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	guard_free(&guard);
	return 0;
}

/* Bytes of the token that count. */
static void forget_beyond(struct http1 *h)
{
	if (h->len < HTTP1_TOKEN_MAX)
		memset(h->token + h->len, 0, HTTP1_TOKEN_MAX - h->len);
	/* Options of a line that stays are not used. */
	memset(h->options, 0, sizeof(h->options));
}

/*
 * Takes bytes of in[0..len), which ends at a guard page. The state must be the same as after these
 * bytes one by one. All of them must pass, and none may end a request.
 */
static uint32_t check_take_as(const struct http1_conf *conf, const struct http1 *h, const void *in,
			      size_t len)
{
	bool held = false; /* a run that began here */
	const uint8_t *p = memcpy(guard.data + INPUT_MAX - len, in, len);
	struct http1 a = *h, b = *h;
	uint32_t n = http1_take(&a, conf, p, p + len);

	assert_in_range(n, 0, len);
	for (uint32_t i = 0; i < n; i++) {
		enum http1_act act = http1_byte(&b, conf, p[i]);

		assert_true(act == HTTP1_PASS || act == (held ? HTTP1_KEEP : HTTP1_HOLD));
		held = act == HTTP1_PASS ? held : !held;
		assert_false(http1_between(&b));
	}
	assert_false(held);
	if (!n && h->state == HTTP1_FIELD)
		a.len = b.len; /* free in this state */
	forget_beyond(&a);
	forget_beyond(&b);
	assert_memory_equal(&a, &b, sizeof(a));
	return n;
}

static uint32_t check_take(const struct http1 *h, const void *in, size_t len)
{
	check_take_as(&all_cut, h, in, len);
	return check_take_as(&append, h, in, len);
}

/* --- random states and inputs ----------------------------------------------------------------- */

static const char *const pieces[] = {
	"GET /",
	"POST /",
	"PUT /",
	"a/b?c=d",
	" HTTP/1.1\r\n",
	" HTTP/1.0\r\n",
	" HTTP/1.2\r\n",
	" HTTP/1.1\n",
	"Host: ",
	"host:",
	"Accept: ",
	"Accept-Encoding: ",
	"Connection: keep-alive\r\n",
	"connection: close\r\n",
	"Connection: keep-alivf\r\n",
	"Connection: upgrade\r\n",
	"Content-Length: 5\r\n",
	"Transfer-Encoding: chunked\r\n",
	"X-Forwarded-For: 1.2.3.4\r\n",
	"X-Any: 1\r\n",
	"A_b: 1\r\n",
	"A: \r\n",
	": ",
	"www.example.com",
	"10.0.0.1:8080",
	"text/html, text/plain;q=0.9",
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	"a-name-that-is-longer-than-any: ",
	"\r\n",
	"\r",
	"\n",
	"\t",
	" ",
};

/* Pieces one after the other, now and then with a wrong byte. Returns how many bytes. */
static size_t random_input(uint32_t *x, uint8_t in[INPUT_MAX])
{
	size_t want = random_next(x) % 4 ? INPUT_MAX : random_next(x) % INPUT_MAX, len = 0;

	while (len < want) {
		const char *piece = pieces[random_next(x) % (sizeof(pieces) / sizeof(pieces[0]))];
		size_t n = strlen(piece);

		if (n > want - len)
			n = want - len;
		memcpy(in + len, piece, n);
		len += n;
	}
	if (len && random_next(x) % 3 == 0)
		in[random_next(x) % len] = (uint8_t)random_next(x);
	return len;
}

static struct http1 random_state(uint32_t *x, unsigned i)
{
	static const uint8_t often[] = {HTTP1_START, HTTP1_START_REQ, HTTP1_PATH, HTTP1_FIELD,
					HTTP1_NAME,  HTTP1_VALUE,     HTTP1_HOST};
	struct http1 h = {.head = 100, .state = often[i % sizeof(often)], .fields = 3};

	if (i % 19 == 0)
		h.state = (uint8_t)(random_next(x) % (HTTP1_REFUSED + 1));
	if (i % 5 == 0)
		h.head = (h.state < HTTP1_FIELD ? KEDGE_LINE_BYTES_MAX : KEDGE_HEAD_BYTES_DEFAULT) -
			 random_next(x) % 180;
	h.left = 5;
	if (h.state == HTTP1_VALUE && i % 7 == 0)
		h.hold = HTTP1_BEING_CUT;
	if (h.state == HTTP1_NAME && i % 7 == 0)
		h.hold = HTTP1_HELD;
	h.len = (uint16_t)(1 + random_next(x) % (i % 3 ? 12 : 40));
	if (h.hold == HTTP1_HELD && h.len > HTTP1_CUT_NAME_MAX)
		h.len = HTTP1_CUT_NAME_MAX;
	if (h.state == HTTP1_HOST) {
		h.sub = (uint8_t)(random_next(x) % (HTTP1_HOST_PORT_END + 1));
		if (h.sub == HTTP1_HOST_BAD)
			h.sub = HTTP1_HOST_EMPTY;
		h.len = 0;
	}
	if (i % 11 == 0)
		h.flags = (uint16_t)(random_next(x) & 0x3ff);
	if (i % 13 == 0)
		h.fields = KEDGE_FIELDS_MAX - (uint16_t)(random_next(x) % 2);
	return h;
}

static void random_inputs(void **state)
{
	uint32_t x = 88172645, taken[HTTP1_REFUSED + 1] = {0};
	uint8_t in[INPUT_MAX];

	(void)state;
	for (unsigned i = 0; i < 600000; i++) {
		struct http1 h = random_state(&x, i);
		size_t len = random_input(&x, in), at = 0;

		/* Often an input begins with what the state waits for. */
		while (h.state == HTTP1_PATH && at < len && in[at] != 'a')
			at++;
		taken[h.state] += check_take(&h, in + at, len - at) > 0;
	}
	for (int s = 0; s <= HTTP1_REFUSED; s++)
		switch (s) {
		case HTTP1_START:
		case HTTP1_START_REQ:
			assert_true(taken[s] > 1000);
			break;
		case HTTP1_PATH:
		case HTTP1_FIELD:
		case HTTP1_NAME:
		case HTTP1_VALUE:
		case HTTP1_HOST:
			assert_true(taken[s] > 5000);
			break;
		default:
			assert_int_equal(taken[s], 0);
		}
}

/* --- states and inputs by hand ---------------------------------------------------------------- */

#define S8  "abcdefgh"
#define S64 S8 S8 S8 S8 S8 S8 S8 S8

/* What is taken of `in` in the state of `h`, and the state after it. */
static const struct {
	const char *in;
	struct http1 h;
	uint32_t taken;
	enum http1_state next;
} rows[] = {
	{"GET /abc", {.state = HTTP1_START}, 5, HTTP1_PATH},
	{"POST /ab", {.state = HTTP1_START_REQ}, 6, HTTP1_PATH},
	{"PUT /abc", {.state = HTTP1_START}, 0, HTTP1_START},
	{"GET /ab", {.state = HTTP1_START}, 0, HTTP1_START},
	{S8 "?x HTTP/1.1\r\n", {.state = HTTP1_PATH}, 21, HTTP1_FIELD},
	{S8 "?x HTTP/1.0\r\n", {.state = HTTP1_PATH}, 21, HTTP1_FIELD},
	{S8 "?x HTTP/1.2\r\n", {.state = HTTP1_PATH}, 10, HTTP1_PATH},
	{S8 "?x HTTP/1.1\n\n", {.state = HTTP1_PATH}, 10, HTTP1_PATH},
	{S8 " HTTP/1.1\r", {.state = HTTP1_PATH}, 8, HTTP1_PATH},
	{S8 "#x HTTP/1.1", {.state = HTTP1_PATH}, 8, HTTP1_PATH},
	{S64, {.state = HTTP1_PATH}, 32, HTTP1_PATH},
	{S64, {.state = HTTP1_PATH, .head = KEDGE_LINE_BYTES_MAX - 75}, 32, HTTP1_PATH},
	{S64, {.state = HTTP1_PATH, .head = KEDGE_LINE_BYTES_MAX - 74}, 0, HTTP1_PATH},
	{"Accept: text/html, *\r\nB: c", {.state = HTTP1_FIELD}, 22, HTTP1_FIELD},
	{"Accept: text/html, * of more", {.state = HTTP1_FIELD}, 23, HTTP1_VALUE},
	{"A: " S64 "\r\n", {.state = HTTP1_FIELD}, 2 + 64, HTTP1_VALUE},
	{"Accept-Encoding: gzip, de\r\nHost:", {.state = HTTP1_FIELD}, 27, HTTP1_FIELD},
	{"Proxy-Authenticate-Other: a\r\nHost:", {.state = HTTP1_FIELD}, 29, HTTP1_FIELD},
	{"Proxy-Authenticate-Another: a\r\n", {.state = HTTP1_FIELD}, 0, HTTP1_FIELD},
	{"Accept\x80: text/html, *\r\nB: c", {.state = HTTP1_FIELD}, 0, HTTP1_FIELD},
	{"X-Anything: text/html, *\r\nB: c", {.state = HTTP1_FIELD}, 26, HTTP1_FIELD},
	{"X-Forwarded-For: text/html, *\r\n", {.state = HTTP1_FIELD}, 0, HTTP1_FIELD},
	{"X-Forwarded-Any: text/html, *\r\n", {.state = HTTP1_FIELD}, 0, HTTP1_FIELD},
	{"X-Real-IP: text/html, *\r\n", {.state = HTTP1_FIELD}, 0, HTTP1_FIELD},
	{"X_Anything: text/html, *\r\n", {.state = HTTP1_FIELD}, 0, HTTP1_FIELD},
	{": text/html, *\r\nAccept: now", {.state = HTTP1_FIELD}, 0, HTTP1_FIELD},
	{"Accept: text/html, *\r\n", {.state = HTTP1_FIELD}, 0, HTTP1_FIELD},
	{"Accept: text/html, *\r\nB: c",
	 {.state = HTTP1_FIELD, .fields = KEDGE_FIELDS_MAX},
	 0,
	 HTTP1_FIELD},
	{"Accept: text/html, *\r\nB: c",
	 {.state = HTTP1_FIELD, .head = KEDGE_HEAD_BYTES_DEFAULT - 91},
	 22,
	 HTTP1_FIELD},
	{"Accept: text/html, *\r\nB: c",
	 {.state = HTTP1_FIELD, .head = KEDGE_HEAD_BYTES_DEFAULT - 90},
	 0,
	 HTTP1_FIELD},
	{"Host: www.example.com:8080\r\n", {.state = HTTP1_FIELD}, 5, HTTP1_HOST},
	{"Host: www.example.com:8080\r\n",
	 {.state = HTTP1_FIELD, .flags = HTTP1_F_HOST},
	 0,
	 HTTP1_FIELD},
	{"Host: www.example.com:8080\r\n",
	 {.state = HTTP1_FIELD, .flags = HTTP1_F_TRAILER},
	 0,
	 HTTP1_FIELD},
	{"Connection: keep-alive\r\nA: b", {.state = HTTP1_FIELD}, 24, HTTP1_FIELD},
	{"Connection: close\r\nAccept: b", {.state = HTTP1_FIELD}, 19, HTTP1_FIELD},
	{"Connection: keep-alivf\r\nA: b", {.state = HTTP1_FIELD}, 0, HTTP1_FIELD},
	{"Connection: upgrade\r\nA: bcde", {.state = HTTP1_FIELD}, 0, HTTP1_FIELD},
	{"Connection: keep-alive\r\n", {.state = HTTP1_FIELD}, 24 - 24, HTTP1_FIELD},
	{"Content-Length: 123\r\nA: bcde", {.state = HTTP1_FIELD}, 0, HTTP1_FIELD},
	{" www.example.com\r\n", {.state = HTTP1_HOST}, 1, HTTP1_HOST},
	{"www.example.com\r\n", {.state = HTTP1_HOST}, 8, HTTP1_HOST},
	{"ple.com\r\nA: b", {.state = HTTP1_HOST, .sub = HTTP1_HOST_NAME}, 9, HTTP1_FIELD},
	{"ple.com:80\r\n", {.state = HTTP1_HOST, .sub = HTTP1_HOST_NAME}, 7, HTTP1_HOST},
	{"ple.com/80\r\n", {.state = HTTP1_HOST, .sub = HTTP1_HOST_NAME}, 7, HTTP1_HOST},
	{"10.1.2.9\r\n", {.state = HTTP1_HOST}, 10, HTTP1_FIELD},
	{"8080\r\n  ", {.state = HTTP1_HOST, .sub = HTTP1_HOST_PORT}, 0, HTTP1_HOST},
	{"ple.com\r\n", {.state = HTTP1_HOST, .flags = HTTP1_F_ABSOLUTE}, 0, HTTP1_HOST},
	{"ple.com\r\n",
	 {.state = HTTP1_HOST, .head = KEDGE_HEAD_BYTES_DEFAULT - 10},
	 9,
	 HTTP1_FIELD},
	{"ple.com\r\n", {.state = HTTP1_HOST, .head = KEDGE_HEAD_BYTES_DEFAULT - 9}, 0, HTTP1_HOST},
	{"foo\r\nBar", {.state = HTTP1_VALUE}, 5, HTTP1_FIELD},
	{"\r\nX: y\r\n", {.state = HTTP1_VALUE}, 2, HTTP1_FIELD},
	{"abcdefg\r", {.state = HTTP1_VALUE}, 7, HTTP1_VALUE},
	{"abc\r\ndef", {.state = HTTP1_VALUE, .hold = HTTP1_BEING_CUT}, 3, HTTP1_VALUE},
	{S64 S8, {.state = HTTP1_VALUE}, 64, HTTP1_VALUE},
	{S64 "\r\n", {.state = HTTP1_VALUE}, 66, HTTP1_FIELD},
	{S64 "\r\n",
	 {.state = HTTP1_VALUE, .head = KEDGE_HEAD_BYTES_DEFAULT - 66},
	 66,
	 HTTP1_FIELD},
	{S64 "\r\n", {.state = HTTP1_VALUE, .head = KEDGE_HEAD_BYTES_DEFAULT - 65}, 0, HTTP1_VALUE},
	{"-Length:", {.state = HTTP1_NAME, .len = 7}, 7, HTTP1_NAME},
	{"Az-Az-Az", {.state = HTTP1_NAME, .len = 24}, 8, HTTP1_NAME},
	{"Az-Az-Az", {.state = HTTP1_NAME, .len = 25}, 0, HTTP1_NAME},
	{"Az-Az-Az", {.state = HTTP1_NAME, .head = KEDGE_HEAD_BYTES_DEFAULT - 8}, 8, HTTP1_NAME},
	{"Az-Az-Az", {.state = HTTP1_NAME, .head = KEDGE_HEAD_BYTES_DEFAULT - 7}, 0, HTTP1_NAME},
	{"forwardd", {.state = HTTP1_NAME, .hold = HTTP1_HELD, .len = 11}, 8, HTTP1_NAME},
	{"forwardd", {.state = HTTP1_NAME, .hold = HTTP1_HELD, .len = 12}, 0, HTTP1_NAME},
};

static void as_much_as_can_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http1 h = rows[i].h;
		const uint8_t *in = (const uint8_t *)rows[i].in;
		size_t len = strlen(rows[i].in);
		uint32_t n = http1_take(&h, &append, in, in + len);

		if (n != rows[i].taken || h.state != rows[i].next)
			fail_msg("row %zu: %s: took %u to state %d", i, rows[i].in, n, h.state);
		check_take(&rows[i].h, in, len);
		/* However much of it is there. */
		for (size_t part = 0; part < len; part++)
			check_take(&rows[i].h, in, part);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_inputs),
		cmocka_unit_test(as_much_as_can_be),
	};

	return cmocka_run_group_tests_name("http1 take", tests, setup, teardown);
}
