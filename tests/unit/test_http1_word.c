/* http1_word.h against http1_byte(): the same bytes, a word at a time and one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "tests/lib/http1_corpus.h"
#include "tests/lib/random.h"

static struct http1_conf append;

static int setup(void **state)
{
	http1_case_conf(&append, HTTP1_XFF_APPEND, 0);
	return 0;
}

/* Bytes of the token that count. */
static void forget_beyond(struct http1 *h)
{
	if (h->len < HTTP1_TOKEN_MAX)
		memset(h->token + h->len, 0, HTTP1_TOKEN_MAX - h->len);
}

/* Bytes taken as a word leave what the same bytes leave one by one, and all of them pass. */
static uint32_t check_word(const struct http1 *h, uint64_t word)
{
	struct http1 a = *h, b = *h;
	uint32_t skipped = http1_skip8(h, word), n = http1_take8(&a, word);

	assert_in_range(n, skipped, 8);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(http1_byte(&b, &append, (uint8_t)(word >> 8 * i)), HTTP1_PASS);
	forget_beyond(&a);
	forget_beyond(&b);
	assert_memory_equal(&a, &b, sizeof(a));

	a = *h;
	b = *h;
	http1_skipped(&a, skipped);
	for (uint32_t i = 0; i < skipped; i++)
		http1_byte(&b, &append, (uint8_t)(word >> 8 * i));
	assert_memory_equal(&a, &b, sizeof(a));
	if (n == 8 || (h->state != HTTP1_VALUE && h->state != HTTP1_PATH) || a.state != h->state)
		return n;
	/* It stopped for a reason: HT, the end, or a limit that is near. */
	if (a.head + 8 < KEDGE_LINE_BYTES_MAX && (uint8_t)(word >> 8 * skipped) != '\t')
		assert_true(http1_byte(&a, &append, (uint8_t)(word >> 8 * skipped)) ||
			    a.state != h->state);
	return n;
}

/* Mostly letters, sometimes what ends something, the line end more often. */
static uint64_t random_word(uint32_t *x)
{
	static const uint8_t edge[] = {0,   8,   9,   10,  13,  ',', '-', '-', '.', '/', ' ',
				       '!', '"', '#', '$', '@', '[', '`', '{', ':', '_', '0',
				       31,  126, 127, 128, 173, 255, 'A', 'Z', 'a', 'z', 0xc1};
	uint64_t word = 0;

	if (random_next(x) % 50 == 0)
		return HTTP1_WORD('H', 'T', 'T', 'P', '/', '1', '.', '0' + random_next(x) % 3);
	for (int k = 0; k < 8; k++) {
		uint8_t b = random_next(x) % 4 ? (uint8_t)('a' + random_next(x) % 26)
					       : edge[random_next(x) % sizeof(edge)];

		word = word << 8 | b;
	}
	if (random_next(x) % 4 == 0)
		word = (word & ~(0xffffULL << 16)) | 0x0a0dULL << 16;
	return word;
}

static void words(void **state)
{
	static const uint8_t often[] = {HTTP1_VALUE, HTTP1_PATH, HTTP1_NAME, HTTP1_VERSION};
	uint32_t x = 88172645, taken[HTTP1_REFUSED + 1] = {0};

	for (int i = 0; i < 800000; i++) {
		struct http1 h = {.head = 100, .left = 5, .state = often[i % 4]};

		if (i % 9 == 0)
			h.state = (uint8_t)(random_next(&x) % (HTTP1_REFUSED + 1));
		if (i % 5 == 0)
			h.head = (h.state < HTTP1_FIELD ? KEDGE_LINE_BYTES_MAX
							: KEDGE_HEAD_BYTES_MAX) -
				 random_next(&x) % 12;
		if (i % 7 == 0)
			h.hold = (uint8_t)(random_next(&x) % 3);
		h.len = (uint16_t)(1 + random_next(&x) % (i % 3 ? 12 : 40));
		if (h.state == HTTP1_VERSION)
			h.len = 0;
		if (h.hold == HTTP1_HELD && h.len > HTTP1_CUT_NAME_MAX)
			h.len = HTTP1_CUT_NAME_MAX;
		taken[h.state] += check_word(&h, random_word(&x));
	}
	for (size_t i = 0; i < sizeof(often); i++)
		assert_true(taken[often[i]] > 5000);
	for (int s = 0; s <= HTTP1_REFUSED; s++)
		if (!memchr(often, s, sizeof(often)))
			assert_int_equal(taken[s], 0);
}

/* How far a word is taken where it could be: what it is there for. */
static void words_are_taken(void **state)
{
	static const struct {
		const char *word;
		struct http1 h;
		uint32_t taken;
		enum http1_state next;
	} rows[] = {
		{"foo\r\nBar", {.state = HTTP1_VALUE}, 5, HTTP1_FIELD},
		{"\r\nX: y\r\n", {.state = HTTP1_VALUE}, 2, HTTP1_FIELD},
		{"abcdef\r\n", {.state = HTTP1_VALUE}, 8, HTTP1_FIELD},
		{"abcdefg\r", {.state = HTTP1_VALUE}, 7, HTTP1_VALUE},
		{"abc\r\ndef", {.state = HTTP1_VALUE, .hold = HTTP1_BEING_CUT}, 3, HTTP1_VALUE},
		{"abcdefgh",
		 {.state = HTTP1_VALUE, .head = KEDGE_HEAD_BYTES_MAX - 8},
		 8,
		 HTTP1_VALUE},
		{"abcdefgh",
		 {.state = HTTP1_VALUE, .head = KEDGE_HEAD_BYTES_MAX - 7},
		 0,
		 HTTP1_VALUE},
		{"\r\nabcdef",
		 {.state = HTTP1_VALUE, .head = KEDGE_HEAD_BYTES_MAX - 2},
		 2,
		 HTTP1_FIELD},
		{"\r\nabcdef",
		 {.state = HTTP1_VALUE, .head = KEDGE_HEAD_BYTES_MAX - 1},
		 0,
		 HTTP1_VALUE},
		{"/a?b=c&d",
		 {.state = HTTP1_PATH, .head = KEDGE_LINE_BYTES_MAX - 8},
		 8,
		 HTTP1_PATH},
		{"/a?b=c&d",
		 {.state = HTTP1_PATH, .head = KEDGE_LINE_BYTES_MAX - 7},
		 0,
		 HTTP1_PATH},
		{"HTTP/1.1",
		 {.state = HTTP1_VERSION, .head = KEDGE_LINE_BYTES_MAX - 8},
		 8,
		 HTTP1_LINE_CR},
		{"HTTP/1.1",
		 {.state = HTTP1_VERSION, .head = KEDGE_LINE_BYTES_MAX - 7},
		 0,
		 HTTP1_VERSION},
		{"-Length:", {.state = HTTP1_NAME, .len = 7}, 7, HTTP1_NAME},
		{"Az-Az-Az", {.state = HTTP1_NAME, .len = 24}, 8, HTTP1_NAME},
		{"Az-Az-Az", {.state = HTTP1_NAME, .len = 25}, 0, HTTP1_NAME},
		{"Az-Az-Az",
		 {.state = HTTP1_NAME, .head = KEDGE_HEAD_BYTES_MAX - 8},
		 8,
		 HTTP1_NAME},
		{"Az-Az-Az",
		 {.state = HTTP1_NAME, .head = KEDGE_HEAD_BYTES_MAX - 7},
		 0,
		 HTTP1_NAME},
		{"forwardd", {.state = HTTP1_NAME, .hold = HTTP1_HELD, .len = 9}, 8, HTTP1_NAME},
		{"forwardd", {.state = HTTP1_NAME, .hold = HTTP1_HELD, .len = 10}, 0, HTTP1_NAME},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http1 h = rows[i].h;
		uint64_t word;

		memcpy(&word, rows[i].word, 8);
		if (http1_take8(&h, word) != rows[i].taken || h.state != rows[i].next)
			fail_msg("row %zu", i);
		check_word(&rows[i].h, word);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(words_are_taken),
	};

	return cmocka_run_group_tests_name("http1 words", tests, setup, NULL);
}
