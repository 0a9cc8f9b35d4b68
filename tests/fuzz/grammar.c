/* SPDX-License-Identifier: BSD-2-Clause */
#include "grammar.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kedge/limits.h"
#include "stream.h"
#include "tests/lib/random.h"

#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))
#define PICK(x, array) ((array)[random_next(x) % COUNT(array)])

/* Most choices are the first ones. */
static const char *const methods[] = {
	"GET", "GET", "HEAD", "HEAD", "POST", "OPTIONS", "A", "head", "PRI", "CONNECT", "M-SEARCH",
};
static const char *const targets[] = {
	"/", "/", "/path?q=1", "*", "http://a/", "https://a:443", "http://[::1]/", "http://b",
};
static const char *const versions[] = {
	"HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0",
};
static const char *const statuses[] = {
	"HTTP/1.1 200 OK", "HTTP/1.1 200",     "HTTP/1.0 200 OK", "HTTP/1.1 204 X",
	"HTTP/1.1 304 X",  "HTTP/1.1 100 X",   "HTTP/1.1 103 X",  "HTTP/1.1 101 X",
	"HTTP/1.1 408 X",  "HTTP/1.1 400 X",   "HTTP/1.1 503 X",  "HTTP/1.0 101 X",
	"HTTP/1.1 2000",   "HTTP/1.1 200\tOK", "HTTP/1.1 099 X",  "HTTP/2 200",
};

/* A name, and values that go with it. */
struct field {
	const char *name;
	const char *value[6];
};

/* Two of them, and the values of another line, are about what an editor copies in one call. */
#define LONG_OPTIONS                                                                          \
	"Upgrade, HTTP2-Settings, an-option-of-some-length, another-one-that-is-no-shorter, " \
	"and-a-third-one-that-ends-the-list-of-them-all"

static const struct field request_fields[] = {
	{"Host", {"a", "a:80", "[::1]:65535", "", "a, b", "b"}},
	{"Content-Length", {"0", "1", "5", "%d", "+1", "1, 1"}},
	{"Transfer-Encoding", {"chunked", "chunked", "Chunked", "gzip, chunked", "chunked ", ""}},
	{"Connection", {"keep-alive", "close", "Upgrade", LONG_OPTIONS, "x, y", "Host"}},
	{"Upgrade", {"websocket", "h2c", "h2", "h2c, h2", "h2c, x", "x/1"}},
	{"HTTP2-Settings", {"AA", ""}},
	{"Expect", {"100-continue", "100-continue", "x"}},
	{"X-Forwarded-For", {"192.0.2.1", "192.0.2.1, 2001:db8::1", "", "\"a, b\"", " a ", ","}},
	{"X-Forwarded-Proto", {"http", "https"}},
	{"X-Forwarded-Port", {"1", "%d"}},
	{"X-Forwarded-Host", {"h"}},
	{"X-Forwarded-Client-Certificate-Of-Some-Length", {"h"}},
	{"X-Real-IP", {"192.0.2.1"}},
	{"Forwarded", {"for=192.0.2.1", "for=\"[2001:db8::1]\";proto=http"}},
	{"True-Client-IP", {"192.0.2.1"}},
	{"X-Cluster-Client-IP", {"192.0.2.1"}},
	{"CF-Connecting-IP", {"192.0.2.1"}},
	{"Client-IP", {"192.0.2.1"}},
	{"Front-End-Https", {"on"}},
	{"x", {"", "1"}},
	{"u", {"", "1"}},
	{"h", {"", "1"}},
	{"f", {"", "1"}},
	{"a", {"", "1"}},
	{"Accept", {"*/*"}},
	{"x-forwarded-fo", {"", "1"}},
	{"a-name-of-thirty-two-bytes-and-more", {"", "1"}},
};

static const struct field response_fields[] = {
	{"Content-Length", {"0", "1", "5", "%d", "2, 2", "+1"}},
	{"Content-Length", {"0", "1", "5", "%d", " 5 ", "5x"}},
	{"Transfer-Encoding",
	 {"chunked", "gzip chunked", "gzip, chunked", "gzip", "xchunked", "chunked,"}},
	{"Connection", {"keep-alive", "close", "close, x", "Upgrade", "x,Close", ""}},
	{"Upgrade", {"websocket"}},
	{"Server", {"x", ""}},
	{"Date", {"Sun, 06 Nov 1994 08:49:37 GMT"}},
	{"Link", {"</a>; rel=preload"}},
	{"a", {"", "1"}},
};

static const char separators[] = "_.!#$%&'*+^`|~- ";

struct text {
	uint8_t *to;
	size_t len;
};

static void add(struct text *t, const char *s)
{
	size_t n = strlen(s);

	if (t->len + n > GRAMMAR_BYTES_MAX)
		return;
	memcpy(t->to + t->len, s, n);
	t->len += n;
}

static bool one_in(uint32_t *x, uint32_t n)
{
	return random_next(x) % n == 0;
}

/* The end of a line: seldom another one than CRLF. */
static void add_end(struct text *t, uint32_t *x)
{
	static const char *const others[] = {"\n", "\r", "\r\r\n", " \r\n", ""};

	add(t, one_in(x, 60) ? PICK(x, others) : "\r\n");
}

size_t grammar_number(uint8_t *to, unsigned base, uint32_t *x)
{
	static const uint64_t around[] = {
		0,          1,          2,          15,         16,
		64,         255,        256,        4096,       KEDGE_SEND_BYTES_MAX,
		65536,      1ULL << 31, 1ULL << 32, 1ULL << 58, 1ULL << 59,
		1ULL << 62, 1ULL << 63, UINT64_MAX,
	};
	uint64_t value = PICK(x, around) + random_next(x) % 3 - 1;
	char text[32];
	int n;

	if (one_in(x, 2))
		value = random_next(x) % 8;
	n = snprintf(text, sizeof(text), base == 16 ? "%" PRIx64 : "%" PRIu64, value);
	memcpy(to, text, (size_t)n);
	return (size_t)n;
}

uint8_t grammar_times(uint32_t *x)
{
	static const uint8_t around[] = {
		1,
		2,
		3,
		16,
		KEDGE_FIELDS_MAX / 2,
		(uint8_t)(KEDGE_PIPELINE_MAX),
		(uint8_t)(KEDGE_FIELDS_MAX - 2),
		(uint8_t)(KEDGE_FIELDS_MAX - 4),
		255,
	};

	return (uint8_t)(PICK(x, around) + random_next(x) % 3 - 1);
}

void grammar_fill(uint8_t *to, uint32_t *x)
{
	static const uint8_t with[] = {'a', 'a', 'x', 'X', '0', ',', ' ', '\t', '\r', 0x80};

	to[0] = STREAM_FILL;
	to[1] = (uint8_t)(random_next(x) % 16);
	to[2] = (uint8_t)(one_in(x, 3) ? random_next(x) % 64 - 48 : random_next(x) % 5 - 2);
	to[3] = PICK(x, with);
}

static void add_fill(struct text *t, uint32_t *x)
{
	if (t->len + STREAM_FILL_LEN > GRAMMAR_BYTES_MAX)
		return;
	grammar_fill(t->to + t->len, x);
	t->len += STREAM_FILL_LEN;
}

static void add_number(struct text *t, unsigned base, uint32_t *x)
{
	if (t->len + 32 <= GRAMMAR_BYTES_MAX)
		t->len += grammar_number(t->to + t->len, base, x);
}

/* A name as it is, in another case, or with other characters in the places of its dashes. */
static void add_name(struct text *t, const char *name, uint32_t *x)
{
	size_t from = t->len;

	add(t, name);
	if (one_in(x, 4))
		for (size_t i = from; i < t->len; i++)
			t->to[i] = (uint8_t)(one_in(x, 2) ? toupper(t->to[i]) : tolower(t->to[i]));
	if (one_in(x, 8))
		for (size_t i = from; i < t->len; i++)
			if (t->to[i] == '-' && one_in(x, 2))
				t->to[i] = (uint8_t)
					separators[random_next(x) % (sizeof(separators) - 1)];
}

static void add_field(struct text *t, const struct field *f, uint32_t *x)
{
	const char *value = PICK(x, f->value);

	if (!value)
		value = f->value[0];
	add_name(t, f->name, x);
	if (one_in(x, 40))
		add(t, " ");
	add(t, one_in(x, 60) ? "" : ":");
	add(t, one_in(x, 4) ? "" : " ");
	if (!strcmp(value, "%d"))
		add_number(t, 10, x);
	else
		add(t, value);
	if (one_in(x, 20))
		add_fill(t, x);
	add_end(t, x);
	if (one_in(x, 60)) /* a line that goes on */
		add(t, " x\r\n");
}

static void add_some_field(struct text *t, enum grammar g, uint32_t *x)
{
	add_field(t, g == GRAMMAR_REQUESTS ? &PICK(x, request_fields) : &PICK(x, response_fields),
		  x);
}

/* One or two fields many times: as many as a head may have, or one more. */
static void add_many_fields(struct text *t, enum grammar g, uint32_t *x)
{
	size_t from = t->len;

	if (from + STREAM_REPEAT_HEAD > GRAMMAR_BYTES_MAX)
		return;
	t->len += STREAM_REPEAT_HEAD;
	add_some_field(t, g, x);
	if (one_in(x, 2))
		add_some_field(t, g, x);
	t->to[from] = STREAM_REPEAT;
	t->to[from + 1] = grammar_times(x);
	t->to[from + 2] = (uint8_t)(t->len - from - STREAM_REPEAT_HEAD);
}

static void add_chunk(struct text *t, uint32_t *x)
{
	static const char *const extensions[] = {";x=y", " ", ";", ";a=\"b\""};

	add_number(t, 16, x);
	if (one_in(x, 4))
		add(t, PICK(x, extensions));
	if (one_in(x, 16))
		add_fill(t, x);
	add_end(t, x);
	if (t->len + STREAM_FILL_LEN <= GRAMMAR_BYTES_MAX) {
		const uint8_t data[] = {STREAM_FILL, STREAM_BODY, (uint8_t)(one_in(x, 30) ? 1 : 0),
					'c'};

		memcpy(t->to + t->len, data, sizeof(data));
		t->len += sizeof(data);
	}
	add_end(t, x);
}

static void add_start(struct text *t, enum grammar g, uint32_t *x)
{
	if (g == GRAMMAR_RESPONSES) {
		add(t, PICK(x, statuses));
	} else {
		add(t, PICK(x, methods));
		add(t, " ");
		add(t, PICK(x, targets));
		if (one_in(x, 20))
			add_fill(t, x);
		add(t, " ");
		add(t, PICK(x, versions));
	}
	add_end(t, x);
}

static void add_body(struct text *t, uint32_t *x)
{
	if (one_in(x, 2)) {
		add(t, "Content-Length: ");
		add_number(t, 10, x);
		add(t, "\r\n\r\n");
		if (t->len + STREAM_FILL_LEN > GRAMMAR_BYTES_MAX)
			return;
		memcpy(t->to + t->len, (uint8_t[]){STREAM_FILL, STREAM_BODY, 0, 'b'}, 4);
		t->len += STREAM_FILL_LEN;
		return;
	}
	add(t, "Transfer-Encoding: chunked\r\n\r\n");
	for (uint32_t n = random_next(x) % 3; n; n--)
		add_chunk(t, x);
	add(t, "0\r\n");
	if (one_in(x, 4))
		add(t, "Trailer-Field: x\r\n");
	add(t, "\r\n");
}

size_t grammar_line(uint8_t *to, enum grammar g, uint32_t *x)
{
	struct text t = {.to = to};

	switch (random_next(x) % 12) {
	case 0:
		add_start(&t, g, x);
		break;
	case 1:
		add_end(&t, x);
		break;
	case 2:
		add_chunk(&t, x);
		break;
	default:
		add_some_field(&t, g, x);
	}
	return t.len;
}

size_t grammar_message(uint8_t *to, enum grammar g, uint32_t *x)
{
	struct text t = {.to = to};

	add_start(&t, g, x);
	if (g == GRAMMAR_REQUESTS && !one_in(x, 30))
		add(&t, "Host: a\r\n");
	for (uint32_t n = random_next(x) % 4; n; n--)
		add_some_field(&t, g, x);
	if (one_in(x, 4))
		add_many_fields(&t, g, x);
	if (one_in(x, 2))
		add_body(&t, x);
	else
		add(&t, "\r\n");
	return t.len;
}
