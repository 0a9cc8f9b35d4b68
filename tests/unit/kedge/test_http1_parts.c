/* SPDX-License-Identifier: BSD-2-Clause */
/* http1.h where a corpus of streams does not reach: sets of bytes, names, pieces, counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <arpa/inet.h>

#include "http/http1_edit.h"
#include "tests/lib/http1_corpus.h"
#include "http/xff.h"

static struct http1_conf append;

static int setup(void **state)
{
	http1_case_conf(&append, HTTP1_XFF_APPEND, 0);
	return 0;
}

/* Feeds a text; the last act. */
static enum http1_act feed(struct http1 *h, const struct http1_conf *c, const char *text)
{
	enum http1_act act = HTTP1_PASS;

	while (*text)
		act = http1_byte(h, c, (uint8_t)*text++);
	return act;
}

static bool in_text(uint8_t b, const char *set)
{
	return b && strchr(set, b);
}

static void sets_of_bytes(void **state)
{
	for (int b = 0; b < 256; b++) {
		bool alnum = b < 128 && isalnum(b);
		bool value = b == '\t' || (b >= ' ' && b != 127);

		assert_int_equal(http1_is_tchar(b), alnum || in_text(b, "!#$%&'*+-.^_`|~"));
		assert_int_equal(http1_is_regname(b), alnum || in_text(b, "-._~%!$&'()*+;="));
		assert_int_equal(http1_is_value(b), value);
		assert_int_equal(http1_lower(b), b < 128 ? tolower(b) : b);
		assert_int_equal(http1_is_digit(b), b < 128 && isdigit(b));
		if (b < 128 && isxdigit(b))
			assert_int_equal(http1_hex(b), strtol((char[]){(char)b, 0}, NULL, 16));
		else
			assert_int_equal(http1_hex(b), 16);
	}
}

static const struct {
	const char *text;
	enum http1_name name;
} names[] = {
	{"host", HTTP1_NAME_HOST},
	{"content-length", HTTP1_NAME_LENGTH},
	{"transfer-encoding", HTTP1_NAME_CODING},
	{"connection", HTTP1_NAME_CONNECTION},
	{"upgrade", HTTP1_NAME_UPGRADE},
	{"http2-settings", HTTP1_NAME_SETTINGS},
	{"x-forwarded-for", HTTP1_NAME_FOR},
	{"x-forwarded-proto", HTTP1_NAME_PROTO},
	{"x-forwarded-port", HTTP1_NAME_PORT},
	{"forwarded", HTTP1_NAME_FORWARDED},
	{"x-real-ip", HTTP1_NAME_REAL},
	{"x-forwarded-host", HTTP1_NAME_STRIPPED},
	{"x-forwarded-a-long-name-of-them", HTTP1_NAME_STRIPPED},
	{"x-forwarded", HTTP1_NAME_STRIPPED},
	{"forwarded-for", HTTP1_NAME_STRIPPED},
	{"x-client-ip", HTTP1_NAME_STRIPPED},
	{"x-cluster-client-ip", HTTP1_NAME_STRIPPED},
	{"true-client-ip", HTTP1_NAME_STRIPPED},
	{"cf-connecting-ip", HTTP1_NAME_STRIPPED},
	{"fastly-client-ip", HTTP1_NAME_STRIPPED},
	{"client-ip", HTTP1_NAME_STRIPPED},
	{"front-end-https", HTTP1_NAME_STRIPPED},
};
#define NAMES (sizeof(names) / sizeof(names[0]))

static char folded(char c)
{
	return (char)(isalnum((unsigned char)c) ? tolower((unsigned char)c) : '-');
}

/* Equal in n characters, with any separator. */
static bool alike(const char *token, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (folded(token[i]) != name[i])
			return false;
	return true;
}

/* What http1_name() should say, by the standard library. */
static uint8_t name_by_text(const char *token)
{
	static const char family[] = "x-forwarded-";
	const size_t n = sizeof(family) - 1, len = strlen(token);

	for (size_t i = 0; i < NAMES; i++)
		if (strlen(names[i].text) == len && alike(token, names[i].text, len))
			return (uint8_t)names[i].name |
			       (strncasecmp(token, names[i].text,
					    strncmp(family, names[i].text, n) ? len : n)
					? HTTP1_NAME_ALIAS
					: 0);
	if (len < n || !alike(token, family, n))
		return HTTP1_NAME_OTHER;
	return HTTP1_NAME_STRIPPED | (strncasecmp(token, family, n) ? HTTP1_NAME_ALIAS : 0);
}

static void check_name(const char *token)
{
	struct http1 h = {.len = (uint16_t)strlen(token)};

	memset(h.token, 'x', sizeof(h.token)); /* left over from a longer one */
	memcpy(h.token, token, h.len);
	if (http1_name(&h) != name_by_text(token))
		fail_msg("%s: %#x, expected %#x", token, http1_name(&h), name_by_text(token));
}

/* Each name, in every case, with each of its bytes exchanged for every other, cut and lengthened.
 */
static void names_and_their_neighbours(void **state)
{
	for (size_t i = 0; i < NAMES; i++) {
		char t[HTTP1_TOKEN_MAX + 1];
		size_t n = strlen(names[i].text);

		for (size_t at = 0; at < n; at++) {
			for (int b = 1; b < 128; b++) {
				if (!http1_is_tchar((uint8_t)b))
					continue;
				strcpy(t, names[i].text);
				t[at] = (char)b;
				check_name(t);
				t[(at + 2) % n] = '_';
				check_name(t);
				/* The same character in the place of each dash. */
				strcpy(t, names[i].text);
				for (size_t k = 0; k < n; k++)
					t[k] = t[k] == '-' ? (char)b : t[k];
				check_name(t);
			}
			strcpy(t, names[i].text);
			t[at] = (char)toupper(t[at]);
			check_name(t);
			t[at] = 0;
			check_name(t);
			strcpy(t, names[i].text);
			t[1] = t[(i + 11) % n] = '_';
			check_name(t);
		}
		strcpy(t, names[i].text);
		strcat(t, "s");
		check_name(t);
	}
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

#define UPGRADE "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"

static void waiting_and_tunnel(void **state)
{
	struct http1 h;

	http1_init(&h);
	http1_resume(&h, true);
	assert_int_equal(http1_standing(&h), KEDGE_BETWEEN);
	assert_int_equal(feed(&h, &append, UPGRADE), HTTP1_END);
	assert_int_equal(http1_standing(&h), KEDGE_WAITING);
	assert_int_equal(http1_body(&h, 5), 0);
	http1_resume(&h, true);
	assert_int_equal(http1_standing(&h), KEDGE_TUNNEL);
	assert_int_equal(http1_body(&h, 5), 5);
	assert_int_equal(http1_byte(&h, &append, 0), HTTP1_PASS);
	http1_resume(&h, false);
	assert_int_equal(http1_standing(&h), KEDGE_TUNNEL);

	/* A driver that feeds a byte too early is told. */
	http1_init(&h);
	feed(&h, &append, UPGRADE);
	assert_int_equal(http1_byte(&h, &append, 'G'), HTTP1_REFUSE);
	assert_int_equal(h.reason, KEDGE_REASON_internal_error);
	/* And a refusal is final. */
	assert_int_equal(http1_byte(&h, &append, 'G'), HTTP1_REFUSE);
	assert_int_equal(http1_standing(&h), KEDGE_REFUSED);
}

static void standing_on_the_way(void **state)
{
	static const struct {
		const char *text;
		enum kedge_standing standing;
		uint32_t owed;
		bool cutting;
	} steps[] = {
		{"\r", KEDGE_BETWEEN, 0, true},
		{"\n", KEDGE_BETWEEN, 0, false},
		{"P", KEDGE_HEAD, 0, false},
		{"OST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n", KEDGE_HEAD, 0,
		 false},
		{"x-forwarded-for", KEDGE_HEAD, 15, false},
		{":", KEDGE_HEAD, 0, true},
		{" 1\r", KEDGE_HEAD, 0, true},
		{"\n", KEDGE_HEAD, 0, false},
		{"x-cluster-client-i-", KEDGE_HEAD, 19, false},
		{"o", KEDGE_HEAD, 0, false},
		{": 1\r\n\r", KEDGE_HEAD, 1, false},
		{"\n", KEDGE_BODY, 0, false},
		{"1\r\nx\r\n0\r\n", KEDGE_BODY, 0, false},
		{"x-trailer: 1\r\n", KEDGE_BODY, 0, false},
		{"\r", KEDGE_BODY, 0, false},
		{"\n", KEDGE_BETWEEN, 0, false},
	};
	struct http1 h;

	http1_init(&h);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		assert_int_not_equal(feed(&h, &append, steps[i].text), HTTP1_REFUSE);
		assert_int_equal(http1_standing(&h), steps[i].standing);
		assert_int_equal(http1_between(&h), steps[i].standing == KEDGE_BETWEEN);
		assert_int_equal(http1_owed(&h), steps[i].owed);
		assert_int_equal(http1_cutting(&h), steps[i].cutting);
	}
}

/* HEAD bits stand at the right place of the ring, and old ones are wiped when it laps. */
static void note_ring(void **state)
{
	struct kedge_note note = {0};
	struct http1 h;

	http1_init(&h);
	h.requests = UINT32_MAX - 1500; /* over the wrap as well */
	for (uint32_t i = 0; i < 3000; i++) {
		bool head = i % 3 == 0 || i % 7 == 0;
		uint32_t slot = (h.requests) % KEDGE_NOTE_RING;

		assert_int_equal(feed(&h, &append,
				      head ? "HEAD / HTTP/1.0\r\n\r\n" : "HEA / HTTP/1.0\r\n\r\n"),
				 HTTP1_END);
		assert_int_equal(http1_is_head(&h), head);
		http1_note_request(&h, &note);
		assert_int_equal(note.head_bits[slot / 64] >> slot % 64 & 1, head);
		assert_int_equal(note.requests, h.requests);
	}
	assert_int_equal(h.requests, UINT32_MAX - 1500 + 3000);
}

/* More pieces and values than one call's list holds: it stops between two requests and goes on. */
static void list_is_full(void **state)
{
	static const char pair[] =
		"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nA: b\r\n\r\n";
	static const char want[] = "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n"
				   "X-Forwarded-For: 1.1.1.1, 198.51.100.22\r\n\r\n";
	struct http1_bytes in = {0}, out = {0};
	struct kedge_note note = {0};
	struct http1_edit edit;
	struct http1 h = {0};
	size_t taken = 0;
	unsigned calls = 0;

	for (int i = 0; i < 500; i++)
		http1_bytes_add(&in, pair, sizeof(pair) - 1);
	while (taken < in.len) {
		taken += http1_edit(&edit, &h, &append, &note, in.data + taken, in.len - taken);
		assert_int_equal(taken % (sizeof(pair) - 1), 0);
		assert_true(edit.pieces <= HTTP1_EDIT_PIECES && edit.copied <= HTTP1_EDIT_COPY);
		for (unsigned i = 0; i < edit.pieces; i++)
			http1_bytes_add(&out, edit.piece[i].iov_base, edit.piece[i].iov_len);
		calls++;
	}
	assert_true(calls > 1);
	assert_int_equal(note.requests, 500);
	assert_int_equal(out.len, 500 * (sizeof(want) - 1));
	for (int i = 0; i < 500; i++)
		assert_memory_equal(out.data + (size_t)i * (sizeof(want) - 1), want,
				    sizeof(want) - 1);
	free(in.data);
	free(out.data);
}

/* The same when long values have used up the room for copies. */
static void copies_are_full(void **state)
{
	char head[600];
	int n = snprintf(head, sizeof(head), "GET / HTTP/1.0\r\nX-Forwarded-For: %0500d\r\n\r\n",
			 7);
	struct http1_bytes in = {0};
	struct kedge_note note = {0};
	struct http1_edit edit;
	struct http1 h = {0};
	size_t taken;

	for (int i = 0; i < 10; i++)
		http1_bytes_add(&in, head, (size_t)n);
	taken = http1_edit(&edit, &h, &append, &note, in.data, in.len);
	assert_true(taken && taken < in.len);
	assert_int_equal(taken, note.requests * (size_t)n);
	assert_true(edit.copied <= HTTP1_EDIT_COPY);
	assert_int_equal(edit.bytes, note.requests * ((size_t)n + strlen(", 198.51.100.22")));
	free(in.data);
}

/* The most pieces that one head can make, from an almost full list on. */
static void most_gaps(void **state)
{
	struct http1_bytes in = {0};
	struct kedge_note note = {0};
	struct http1_edit edit;
	struct http1 h = {0};
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
		size_t n = http1_edit(&edit, &h, &append, &note, in.data + taken, in.len - taken);

		assert_true(n > 0);
		assert_true(edit.pieces <= HTTP1_EDIT_PIECES && edit.copied <= HTTP1_EDIT_COPY);
		taken += n;
	}
	assert_int_equal(h.reason, 0);
	assert_int_equal(note.requests, 20 + 3 * 190);
	free(in.data);
}

static void check_text(const char *ip, enum http1_mode mode, __u16 flags, bool tls,
		       const char *want)
{
	union addr a = {.family = AF_UNIX};
	struct http1_conf c;

	if (inet_pton(AF_INET, ip, &a.in.sin_addr) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, ip, &a.in6.sin6_addr) == 1)
		a.family = AF_INET6;
	http1_conf_set(&c, mode, flags, &a, tls, 65535);
	assert_int_equal(c.text_len, strlen(want));
	assert_memory_equal(c.text, want, c.text_len);
	if (mode != HTTP1_XFF_NEVER) {
		assert_int_equal(c.ours_len, strchr(want, '\r') - want - HTTP1_PREFIX_LEN);
		assert_int_equal(c.xff_len, strchr(want, '\n') + 1 - want);
	}
}

static void texts(void **state)
{
	const __u16 both = HTTP1_SET_PROTO | HTTP1_SET_PORT;

	check_text("192.0.2.1", HTTP1_XFF_APPEND, 0, true, "X-Forwarded-For: 192.0.2.1\r\n");
	check_text("2001:db8::1", HTTP1_XFF_REPLACE, HTTP1_SET_PROTO, false,
		   "X-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Proto: http\r\n");
	check_text("::ffff:192.0.2.1", HTTP1_XFF_IF_NONE, 0, true,
		   "X-Forwarded-For: 192.0.2.1\r\n");
	check_text("1111:2222:3333:4444:5555:6666:7777:8888", HTTP1_XFF_APPEND, both, true,
		   "X-Forwarded-For: 1111:2222:3333:4444:5555:6666:7777:8888\r\n"
		   "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 65535\r\n");
	check_text("192.0.2.1", HTTP1_XFF_NEVER, HTTP1_SET_PORT, true,
		   "X-Forwarded-Port: 65535\r\n");
	check_text("192.0.2.1", HTTP1_XFF_NEVER, 0, true, "");
	check_text("a unix socket", HTTP1_XFF_APPEND, HTTP1_SET_FORWARDED, true,
		   "X-Forwarded-For: unknown\r\nForwarded: for=unknown;proto=https\r\n");
	check_text("192.0.2.1", HTTP1_XFF_NEVER, HTTP1_SET_FORWARDED | HTTP1_SET_REAL, false,
		   "Forwarded: for=192.0.2.1;proto=http\r\nX-Real-IP: 192.0.2.1\r\n");
	/* The longest. */
	check_text("1111:2222:3333:4444:5555:6666:7777:8888", HTTP1_XFF_APPEND,
		   both | HTTP1_SET_FORWARDED | HTTP1_SET_REAL, true,
		   "X-Forwarded-For: 1111:2222:3333:4444:5555:6666:7777:8888\r\n"
		   "Forwarded: for=\"[1111:2222:3333:4444:5555:6666:7777:8888]\";proto=https\r\n"
		   "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 65535\r\n"
		   "X-Real-IP: 1111:2222:3333:4444:5555:6666:7777:8888\r\n");
}

static void check_conf(struct conf *conf, const char *client, enum http1_mode mode, __u16 flags)
{
	union addr a = {.family = AF_INET};
	struct http1_conf c;

	assert_int_equal(inet_pton(AF_INET, client, &a.in.sin_addr), 1);
	conf->head_bytes_max = 9000;
	xff_prepare(&c, conf, &a, true, 443);
	assert_int_equal(c.head_bytes_max, 9000);
	assert_int_equal(c.mode, mode);
	assert_int_equal(c.flags, flags);
}

/* Who is trusted decides what of the client's fields counts. */
static void conf_from_keys(void **state)
{
	struct cidr trusted;
	struct conf conf = {.xff = XFF_IF_NONE, .x_forwarded_proto = true};
	const char *why;

	assert_int_equal(cidr_parse(&trusted, "192.0.2.0/24", &why), 0);
	check_conf(&conf, "192.0.2.1", HTTP1_XFF_IF_NONE, HTTP1_STRIP | HTTP1_SET_PROTO);
	conf.forwarding_keep = true;
	check_conf(&conf, "192.0.2.1", HTTP1_XFF_IF_NONE, HTTP1_SET_PROTO);
	conf.xff_trust.set = &trusted;
	conf.xff_trust.count = 1;
	check_conf(&conf, "192.0.2.1", HTTP1_XFF_IF_NONE, HTTP1_TRUSTED | HTTP1_SET_PROTO);
	check_conf(&conf, "198.51.100.1", HTTP1_XFF_IF_NONE, HTTP1_DROP_INCOMING | HTTP1_SET_PROTO);
	conf.forwarding_keep = false;
	check_conf(&conf, "198.51.100.1", HTTP1_XFF_IF_NONE,
		   HTTP1_STRIP | HTTP1_DROP_INCOMING | HTTP1_SET_PROTO);
	conf = (struct conf){.xff = XFF_NEVER,
			     .x_forwarded_port = true,
			     .x_real_ip = true,
			     .forwarded = true,
			     .aliases_remove = true,
			     .h2c_remove = true};
	check_conf(&conf, "192.0.2.1", HTTP1_XFF_NEVER,
		   HTTP1_STRIP | HTTP1_DROP_INCOMING | HTTP1_SET_PORT | HTTP1_SET_REAL |
			   HTTP1_SET_FORWARDED | HTTP1_CUT_ALIASES | HTTP1_CUT_H2C);
	conf.forwarding_keep = true;
	check_conf(&conf, "192.0.2.1", HTTP1_XFF_NEVER,
		   HTTP1_SET_PORT | HTTP1_SET_REAL | HTTP1_SET_FORWARDED | HTTP1_CUT_ALIASES |
			   HTTP1_CUT_H2C);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_of_bytes),       cmocka_unit_test(names_and_their_neighbours),
		cmocka_unit_test(body_blocks),         cmocka_unit_test(waiting_and_tunnel),
		cmocka_unit_test(standing_on_the_way), cmocka_unit_test(note_ring),
		cmocka_unit_test(list_is_full),        cmocka_unit_test(copies_are_full),
		cmocka_unit_test(most_gaps),           cmocka_unit_test(texts),
		cmocka_unit_test(conf_from_keys),
	};

	return cmocka_run_group_tests_name("http1 parts", tests, setup, NULL);
}
