/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/http/proxy_write.c: each header is read by a strict reader of the tests, and by kedge's own.
 * Each is written to a buffer that ends at a guard page, and refused by every smaller one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/proxy_write.h"
#include "tests/lib/guard.h"
#include "tests/lib/proxy_decode.h"

#define VALUE(text)                                   \
	{                                             \
		.at = (text), .len = sizeof(text) - 1 \
	}

static uint8_t bytes[PROXY_WRITE_BYTES_MAX];
static size_t bytes_len;
static struct decoded d;
static struct proxy_prefix prefix;

typedef ssize_t writer(uint8_t *buf, size_t size, const struct proxy_facts *facts);

static union addr address(const char *text)
{
	union addr a = {0};
	const char *why;

	assert_int_equal(addr_parse(&a, text, &why), 0);
	return a;
}

/* Every smaller buffer is refused, and nothing is written outside of it. */
static void smaller_ones(writer *write, const struct proxy_facts *facts)
{
	for (size_t size = 0; size < bytes_len; size++) {
		struct guard g;

		guard_new(&g, NULL, size, GUARD_AFTER);
		assert_int_equal(write(g.data, size, facts), -ENOSPC);
		guard_free(&g);
	}
}

/* Writes a header to a buffer of its size, and reads it in both ways. */
static void written(writer *write, const struct proxy_facts *facts)
{
	ssize_t n = write(bytes, sizeof(bytes), facts);
	const char *wrong;
	struct guard g;

	assert_true(n > 0 && n <= PROXY_WRITE_BYTES_MAX);
	bytes_len = (size_t)n;
	guard_new(&g, NULL, bytes_len, GUARD_AFTER);
	assert_int_equal(write(g.data, g.len, facts), n);
	assert_memory_equal(g.data, bytes, bytes_len);
	guard_free(&g);
	smaller_ones(write, facts);
	wrong = proxy_decode(&d, bytes, bytes_len);
	if (wrong)
		fail_msg("the header is not right: %s", wrong);
	assert_int_equal(proxy_parse(&prefix, bytes, bytes_len), PROXY_DONE);
	assert_int_equal(prefix.len, bytes_len);
}

static void assert_line(const char *want, const struct proxy_facts *facts)
{
	written(proxy_write_v1, facts);
	assert_int_equal(bytes_len, strlen(want));
	assert_memory_equal(bytes, want, bytes_len);
}

static void assert_addr(const union addr *is, const char *want)
{
	char text[ADDR_TEXT_MAX];

	addr_format(text, is);
	assert_string_equal(text, want);
}

static void assert_tlv(const struct decoded_tlv *tlv, const void *want, size_t n)
{
	assert_non_null(tlv);
	assert_int_equal(tlv->len, n);
	assert_memory_equal(tlv->value, want, n);
}

/* --- addresses -------------------------------------------------------------------------------- */

struct pair {
	const char *src, *dst, *line;
	char family;
};

static const struct pair pairs[] = {
	{"198.51.100.22:35646", "203.0.113.7:443",
	 "PROXY TCP4 198.51.100.22 203.0.113.7 35646 443\r\n", '4'},
	{"[2001:db8::1]:65535", "[2001:db8::2]:1", "PROXY TCP6 2001:db8::1 2001:db8::2 65535 1\r\n",
	 '6'},
	/* What a socket for both families says of a client with IPv4. */
	{"[::ffff:198.51.100.22]:5", "[::ffff:203.0.113.7]:443",
	 "PROXY TCP4 198.51.100.22 203.0.113.7 5 443\r\n", '4'},
	{"[::ffff:198.51.100.22]:5", "203.0.113.7:443",
	 "PROXY TCP4 198.51.100.22 203.0.113.7 5 443\r\n", '4'},
	/* Two families, as a prefix of nginx may have them. The client must not get lost. */
	{"[2001:db8::1]:5", "203.0.113.7:443",
	 "PROXY TCP6 2001:db8::1 ::ffff:203.0.113.7 5 443\r\n", '6'},
	{"198.51.100.22:5", "[2001:db8::2]:443",
	 "PROXY TCP6 ::ffff:198.51.100.22 2001:db8::2 5 443\r\n", '6'},
	{"unix:/run/a", "unix:@b", "PROXY UNKNOWN\r\n", 'u'},
	{"unix:/run/a", "203.0.113.7:443", "PROXY UNKNOWN\r\n", '-'},
	{"203.0.113.7:443", "unix:/run/a", "PROXY UNKNOWN\r\n", '-'},
};

static void addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		const union addr src = address(pairs[i].src), dst = address(pairs[i].dst);
		const struct proxy_facts facts = {.src = &src, .dst = &dst};
		const bool ip = pairs[i].family == '4' || pairs[i].family == '6';

		assert_line(pairs[i].line, &facts);
		assert_int_equal(prefix.local, !ip);
		written(proxy_write_v2, &facts);
		assert_int_equal(d.family, pairs[i].family);
		assert_false(d.local);
		assert_int_equal(d.tlvs_count, 0);
		assert_int_equal(d.sport, ip ? addr_port(&src) : 0);
		assert_int_equal(d.dport, ip ? addr_port(&dst) : 0);
		if (!ip)
			continue;
		assert_true(addr_equal(&prefix.src, &src));
		assert_true(addr_equal(&prefix.dst, &dst));
	}
}

static void the_longest_line(void **state)
{
	const union addr src = address("[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
	const struct proxy_facts facts = {.src = &src, .dst = &src};

	(void)state;
	written(proxy_write_v1, &facts);
	assert_true(bytes_len <= PROXY_V1_BYTES_MAX);
	assert_addr(&prefix.src, "[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
}

/* The rest of sun_path is whatever the kernel left there. */
static void unix_names(void **state)
{
	union addr src = {.un = {.sun_family = AF_UNIX}}, dst = address("unix:/run/kedge.sock");
	const struct proxy_facts facts = {.src = &src, .dst = &dst};
	uint8_t want[108] = "/run/kedge.sock";

	(void)state;
	memcpy(dst.un.sun_path + 16, "secret", 6);
	written(proxy_write_v2, &facts);
	assert_int_equal(bytes_len, 16 + 216);
	assert_memory_equal(d.dst, want, 108);
	assert_memory_equal(d.src, (uint8_t[108]){0}, 108); /* a client's socket has no name */
	dst = address("unix:@kedge");
	written(proxy_write_v2, &facts);
	assert_memory_equal(d.dst, "\0kedge\0", 7);
	memset(dst.un.sun_path, 'x', sizeof(dst.un.sun_path));
	written(proxy_write_v2, &facts);
	assert_int_equal(d.dst[107], 'x');
}

static void nobody_is_known(void **state)
{
	const union addr src = address("198.51.100.22:5"), none = {0};
	const struct proxy_facts facts[] = {
		{.src = &none, .dst = &src},
		{.src = &src, .dst = &none},
		{.src = NULL, .dst = &src},
		{.src = NULL, .dst = NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
		assert_line("PROXY UNKNOWN\r\n", &facts[i]);
		written(proxy_write_v2, &facts[i]);
		assert_int_equal(bytes_len, 16);
		assert_int_equal(d.family, '-');
		assert_false(d.local);
	}
}

/* A check of kedge's own. Addresses that are there all the same are not told. */
static void local(void **state)
{
	const union addr src = address("198.51.100.22:5");
	const struct proxy_facts facts = {.local = true, .src = &src, .dst = &src, .crc32c = true};

	(void)state;
	assert_line("PROXY UNKNOWN\r\n", &facts);
	written(proxy_write_v2, &facts);
	assert_true(d.local && prefix.local && d.crc);
	assert_int_equal(d.family, '-');
	assert_int_equal(bytes_len, 16 + 7);
}

/* --- TLVs ------------------------------------------------------------------------------------- */

static union addr client, server;

static struct proxy_facts facts_with_addresses(void)
{
	client = address("198.51.100.22:35646");
	server = address("203.0.113.7:443");
	return (struct proxy_facts){.src = &client, .dst = &server};
}

/* The header byte by byte. The two readers have the checksum. */
static void exact_bytes(void **state)
{
	static const uint8_t want[] = {
		'\r', '\n', '\r', '\n', 0,    '\r',       '\n', 'Q',  'U',  'I',
		'T',  '\n', 0x21, 0x11, 0,    12 + 5 + 7, 198,  51,   100,  22,
		203,  0,    113,  7,    0x8b, 0x3e,       0x01, 0xbb, 0x01, 0,
		2,    'h',  '2',  0x03, 0,    4,          0,    0,    0,    0,
	};
	struct proxy_facts facts = facts_with_addresses();

	(void)state;
	facts.alpn = (struct proxy_value)VALUE("h2");
	facts.crc32c = true;
	written(proxy_write_v2, &facts);
	assert_int_equal(bytes_len, sizeof(want));
	assert_memory_equal(bytes, want, sizeof(want) - 4);
	assert_true(d.crc && prefix.crc_present);
}

static void each_value(void **state)
{
	struct proxy_facts facts = facts_with_addresses();

	(void)state;
	facts.alpn = (struct proxy_value)VALUE("http/1.1");
	facts.authority = (struct proxy_value)VALUE("app.example");
	facts.unique_id = (struct proxy_value)VALUE("\0\1\2\xff");
	written(proxy_write_v2, &facts);
	assert_int_equal(d.tlvs_count, 3);
	assert_tlv(decoded_find(&d, 0x01), "http/1.1", 8);
	assert_tlv(decoded_find(&d, 0x02), "app.example", 11);
	assert_tlv(decoded_find(&d, 0x05), "\0\1\2\xff", 4);
	assert_false(d.crc);
	/* Empty, and not there. */
	facts = facts_with_addresses();
	facts.authority = (struct proxy_value)VALUE("");
	written(proxy_write_v2, &facts);
	assert_int_equal(d.tlvs_count, 1);
	assert_tlv(decoded_find(&d, 0x02), "", 0);
}

/* A header of version 1 has room for none of them. */
static void none_in_version_1(void **state)
{
	struct proxy_facts facts = facts_with_addresses();
	const struct proxy_tls tls = {.version = "TLSv1.3"};

	(void)state;
	facts.alpn = (struct proxy_value)VALUE("h2");
	facts.tls = &tls;
	facts.crc32c = true;
	assert_line("PROXY TCP4 198.51.100.22 203.0.113.7 35646 443\r\n", &facts);
}

static void tls_facts(void **state)
{
	struct proxy_facts facts = facts_with_addresses();
	struct proxy_tls tls = {.version = "TLSv1.3", .cipher = "TLS_AES_128_GCM_SHA256"};

	(void)state;
	facts.tls = &tls;
	written(proxy_write_v2, &facts);
	assert_int_equal(d.ssl_client, 1);
	assert_int_not_equal(d.ssl_verify, 0);
	assert_int_equal(d.sub_count, 2);
	assert_tlv(decoded_find_sub(&d, 0x21), "TLSv1.3", 7);
	assert_tlv(decoded_find_sub(&d, 0x23), "TLS_AES_128_GCM_SHA256", 22);
	tls.sig_alg = "RSA-SHA256";
	tls.key_alg = "RSA2048";
	written(proxy_write_v2, &facts);
	assert_int_equal(d.sub_count, 4);
	assert_tlv(decoded_find_sub(&d, 0x24), "RSA-SHA256", 10);
	assert_tlv(decoded_find_sub(&d, 0x25), "RSA2048", 7);
}

/* `verify` is 0, and the name is told, only if there is a certificate. */
static void client_certificate(void **state)
{
	static const struct {
		bool conn, sess, verified;
		unsigned client;
		unsigned long verify;
	} rows[] = {
		{false, false, true, 1, 1}, {false, false, false, 1, 1}, {true, true, true, 7, 0},
		{false, true, true, 5, 0},  {true, false, true, 3, 0},   {true, true, false, 7, 1},
	};
	struct proxy_facts facts = facts_with_addresses();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct proxy_tls tls = {.version = "TLSv1.2",
					      .cn = "someone",
					      .cert_conn = rows[i].conn,
					      .cert_sess = rows[i].sess,
					      .verified = rows[i].verified};

		facts.tls = &tls;
		written(proxy_write_v2, &facts);
		assert_int_equal(d.ssl_client, rows[i].client);
		assert_int_equal(d.ssl_verify, rows[i].verify);
		if (rows[i].client == 1)
			assert_null(decoded_find_sub(&d, 0x22));
		else
			assert_tlv(decoded_find_sub(&d, 0x22), "someone", 7);
	}
}

/* --- passed on -------------------------------------------------------------------------------- */

static const char incoming[] = "\x01\0\2h3"
			       "\x03\0\4\1\2\3\4"
			       "\xea\0\1x"
			       "\x02\0\5other"
			       "\x04\0\2  "
			       "\x20\0\5\1\0\0\0\0"
			       "\x05\0\2id"
			       "\x30\0\2ns"
			       "\xea\0\0";

static void pass_unknown(void **state)
{
	struct proxy_facts facts = facts_with_addresses();
	const struct proxy_prefix in = {.tlvs = (const uint8_t *)incoming,
					.tlvs_len = sizeof(incoming) - 1};

	(void)state;
	facts.pass = &in;
	facts.crc32c = true;
	written(proxy_write_v2, &facts);
	assert_int_equal(d.tlvs_count, 7);
	assert_tlv(decoded_find(&d, 0x01), "h3", 2);
	assert_tlv(decoded_find(&d, 0x02), "other", 5);
	assert_tlv(decoded_find(&d, 0x05), "id", 2);
	assert_tlv(decoded_find(&d, 0x30), "ns", 2);
	assert_tlv(decoded_find(&d, 0xea), "x", 1);
	assert_tlv(&d.tlvs[5], "", 0); /* of its type there are two, in their order */
	assert_false(d.ssl);
	assert_true(d.crc);
}

static void nothing_twice(void **state)
{
	const struct proxy_tls tls = {.version = "TLSv1.3"};
	struct proxy_facts facts = facts_with_addresses();
	const struct proxy_prefix in = {.tlvs = (const uint8_t *)incoming,
					.tlvs_len = sizeof(incoming) - 1};

	(void)state;
	facts.pass = &in;
	facts.alpn = (struct proxy_value)VALUE("h2");
	facts.authority = (struct proxy_value)VALUE("app.example");
	facts.unique_id = (struct proxy_value)VALUE("own");
	facts.tls = &tls;
	facts.crc32c = true;
	written(proxy_write_v2, &facts);
	assert_int_equal(d.tlvs_count, 4 + 3 + 1);
	assert_tlv(decoded_find(&d, 0x01), "h2", 2);
	assert_tlv(decoded_find(&d, 0x02), "app.example", 11);
	assert_tlv(decoded_find(&d, 0x05), "own", 3);
	assert_int_not_equal(d.ssl_verify, 0);
	for (size_t i = 0; i < d.tlvs_count; i++)
		assert_true(&d.tlvs[i] == decoded_find(&d, d.tlvs[i].type) ||
			    d.tlvs[i].type == 0xea);
}

/* The longest prefix that kedge reads. With a word of its own there is no room for all. */
static void too_long(void **state)
{
	const size_t len = PROXY_WRITE_BYTES_MAX - 16 - 12;
	struct proxy_facts facts = facts_with_addresses();
	uint8_t *tlv = calloc(1, len);
	const struct proxy_prefix in = {.tlvs = tlv, .tlvs_len = len};

	(void)state;
	assert_non_null(tlv);
	tlv[0] = 0xe0;
	tlv[1] = (uint8_t)((len - 3) >> 8);
	tlv[2] = (uint8_t)(len - 3);
	facts.pass = &in;
	written(proxy_write_v2, &facts);
	assert_int_equal(bytes_len, PROXY_WRITE_BYTES_MAX);
	facts.crc32c = true;
	assert_int_equal(proxy_write_v2(bytes, sizeof(bytes), &facts), -ENOSPC);
	free(tlv);
}

/* A value longer than a TLV can be, or than all that may be written. */
static void huge_value(void **state)
{
	struct proxy_facts facts = facts_with_addresses();
	uint8_t *out = calloc(1, 1 << 18), *value = calloc(1, 1 << 17);

	(void)state;
	assert_true(out && value);
	for (size_t len = 4096; len <= 1 << 17; len *= 2) {
		facts.authority = (struct proxy_value){.at = value, .len = len};
		assert_int_equal(proxy_write_v2(out, 1 << 18, &facts), -ENOSPC);
	}
	free(value);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),    cmocka_unit_test(the_longest_line),
		cmocka_unit_test(unix_names),   cmocka_unit_test(nobody_is_known),
		cmocka_unit_test(local),        cmocka_unit_test(exact_bytes),
		cmocka_unit_test(each_value),   cmocka_unit_test(none_in_version_1),
		cmocka_unit_test(tls_facts),    cmocka_unit_test(client_certificate),
		cmocka_unit_test(pass_unknown), cmocka_unit_test(nothing_twice),
		cmocka_unit_test(too_long),     cmocka_unit_test(huge_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
