/* SPDX-License-Identifier: BSD-2-Clause */
#include "stream.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "http/response.h"

/* Words that are kept, each with its limit. A word ends with white space or punctuation. */
static const uint32_t words[] = {
	KEDGE_METHOD_BYTES_MAX, HTTP1_TOKEN_MAX,    HTTP1_CUT_NAME_MAX,
	KEDGE_XFF_BYTES_MAX,    HTTP1_OPTIONS_MAX,  HTTP1_AUTHORITY_MAX,
	HTTP1_TAKE_BYTES,       RESPONSE_LINE_KEPT, KEDGE_CHUNK_EXT_BYTES_MAX,
};

size_t stream_operation(const uint8_t *in, size_t n)
{
	if (n >= STREAM_FILL_LEN && in[0] == STREAM_FILL)
		return STREAM_FILL_LEN;
	if (n >= STREAM_REPEAT_HEAD && in[0] == STREAM_REPEAT)
		return STREAM_REPEAT_HEAD +
		       (in[2] < n - STREAM_REPEAT_HEAD ? in[2] : n - STREAM_REPEAT_HEAD);
	return 0;
}

static bool is_delimiter(uint8_t b)
{
	return b <= ' ' || b == ':' || b == ',' || b == ';' || b == '/';
}

/* Bytes from the last delimiter on. */
static size_t word_len(const struct http1_bytes *b)
{
	size_t n = 0;

	while (n < b->len && !is_delimiter(b->data[b->len - 1 - n]))
		n++;
	return n;
}

static size_t line_len(const struct http1_bytes *b)
{
	size_t n = 0;

	while (n < b->len && b->data[b->len - 1 - n] != '\n')
		n++;
	return n;
}

/* Bytes from the last blank line on. */
static size_t head_len(const struct http1_bytes *b)
{
	size_t n = 0;

	while (n < b->len &&
	       (b->len - n < 4 || memcmp(b->data + b->len - n - 4, "\r\n\r\n", 4) != 0))
		n++;
	return n;
}

/* The number at the end of the last line that has one: of a length, or the size of a chunk. */
static uint64_t announced(const struct http1_bytes *b)
{
	size_t end = b->len, begin;
	char digits[16] = "";

	while (end && (b->data[end - 1] == '\r' || b->data[end - 1] == '\n'))
		end--;
	for (begin = end; begin && end - begin < 10; begin--)
		if (!strchr("0123456789abcdefABCDEF", b->data[begin - 1]))
			break;
	memcpy(digits, b->data + begin, end - begin);
	return strtoull(digits, NULL, begin && b->data[begin - 1] == ' ' ? 10 : 16);
}

/* How many bytes are missing up to the limit. */
static int64_t missing(const struct http1_bytes *b, uint32_t head_max, uint8_t what)
{
	size_t kinds = STREAM_WORDS + sizeof(words) / sizeof(words[0]);

	what %= kinds;
	switch (what) {
	case STREAM_LINE:
		return (int64_t)KEDGE_LINE_BYTES_MAX - 2 - (int64_t)line_len(b);
	case STREAM_HEAD:
		return (int64_t)head_max - 4 - (int64_t)head_len(b);
	case STREAM_SEND:
		return KEDGE_SEND_BYTES_MAX - (int64_t)(b->len % KEDGE_SEND_BYTES_MAX);
	case STREAM_BODY:
		return b->len ? (int64_t)announced(b) : 0;
	}
	return (int64_t)words[what - STREAM_WORDS] - (int64_t)word_len(b);
}

/* Adds n bytes as often as there is room. */
static void repeat(struct http1_bytes *out, int64_t times, const uint8_t *p, size_t n)
{
	while (times-- > 0 && out->len + n <= STREAM_BYTES_MAX)
		http1_bytes_add(out, p, n);
}

static void fill(struct http1_bytes *out, uint32_t head_max, const uint8_t *op)
{
	int64_t n = missing(out, head_max, op[1]) + (int8_t)op[2];
	uint8_t block[64];

	memset(block, op[3], sizeof(block));
	repeat(out, n / (int64_t)sizeof(block), block, sizeof(block));
	repeat(out, n % (int64_t)sizeof(block), block, 1);
}

static void expand(struct http1_bytes *out, uint32_t head_max, const uint8_t *p, size_t n,
		   int depth)
{
	while (n) {
		size_t len = stream_operation(p, n);

		if (!len || (*p == STREAM_REPEAT && !depth)) {
			len = 1;
			repeat(out, 1, p, 1);
		} else if (*p == STREAM_FILL) {
			fill(out, head_max, p);
		} else {
			struct http1_bytes inner = {0};

			expand(&inner, head_max, p + STREAM_REPEAT_HEAD, len - STREAM_REPEAT_HEAD,
			       depth - 1);
			repeat(out, p[1], inner.data, inner.len);
			free(inner.data);
		}
		p += len;
		n -= len;
	}
}

void stream_expand(struct http1_bytes *out, uint32_t head_max, const uint8_t *in, size_t n)
{
	expand(out, head_max, in, n, 2);
}
