/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/aead.c: records against those of RFC 8448, of OpenSSL, and of the tests'
 * own sealing (tests/lib/tls_records.c). All memory ends at pages that may not be touched.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "tests/lib/guard.h"
#include "tests/lib/tls_records.h"
#include "tls/aead.h"
#include "tls/aead_pool.h"

static const uint8_t key[32] = "a key of thirty-two octets, yes", iv[12] = "twelve octe";

static struct aead_pool *pool;
static uint8_t text[AEAD_CONTENT_MAX + 1];

/* Both directions of a key that begins with this record. */
struct ends {
	union ktls_crypto crypto;
	struct aead_key seal, open;
};

static void start(struct ends *e, int version, int suite, uint64_t seq)
{
	ktls_fill(&e->crypto, version, suite, key, iv, seq);
	aead_key_set(&e->seal, &e->crypto, true);
	aead_key_set(&e->open, &e->crypto, false);
}

static void stop(struct ends *e)
{
	aead_pool_wipe(pool, &e->seal);
	aead_pool_wipe(pool, &e->open);
}

/*
 * Opens a copy of the record that ends (or begins) at a forbidden page, in place or into room of
 * exactly the size that is needed. As aead_open(); what was opened is in got.
 */
static ssize_t open_guarded(struct aead_key *k, const uint8_t *record, size_t n, uint8_t *got,
			    uint8_t *type, bool in_place, enum guard_side side)
{
	ssize_t len = aead_record_len(k, record), r;
	struct guard from, to = {0};
	uint8_t *out;

	if (len < 0)
		return len;
	assert_int_equal(len, n);
	guard_new(&from, record, n, side);
	if (!in_place)
		guard_new(&to, NULL, aead_room(k, n), side);
	out = in_place ? aead_content(k, from.data) : to.data;
	r = aead_open(k, pool, from.data, n, out, type);
	if (r > 0)
		memcpy(got, out, (size_t)r);
	for (size_t i = 0; r < 0 && i < aead_room(k, n); i++)
		assert_int_equal(out[i], 0); /* nothing of it is left */
	guard_free(&from);
	guard_free(&to);
	assert_int_equal(ERR_peek_error(), 0);
	return r;
}

#define EACH_SUITE                              \
	for (int v = 0; v < VERSION_COUNT; v++) \
		for (int s = 0; s < SUITE_COUNT; s++)

static const size_t sizes[] = {0,     1,     2,     15,    16,    17,    31,    32,    33,
			       255,   256,   511,   512,   513,   1000,  4095,  4096,  4097,
			       16127, 16128, 16129, 16367, 16368, 16369, 16382, 16383, 16384};

static void every_size_is_opened(void **state)
{
	static uint8_t record[AEAD_RECORD_MAX], got[AEAD_RECORD_MAX];

	EACH_SUITE
	{
		struct ends e;

		start(&e, v, s, 0xfffffffe);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			for (int way = 0; way < 4; way++) {
				const size_t n = sizes[i];
				const int len = record_seal(&e.crypto, 23, text, n, record);
				uint8_t type = 0;

				assert_int_equal(open_guarded(&e.open, record, (size_t)len, got,
							      &type, way & 1, way >> 1),
						 n);
				assert_int_equal(type, 23);
				assert_memory_equal(got, text, n);
			}
		stop(&e);
	}
}

static void every_size_is_sealed(void **state)
{
	static uint8_t got[AEAD_RECORD_MAX];

	EACH_SUITE
	{
		struct ends e;

		start(&e, v, s, 0xfffffffe);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			const size_t n = sizes[i];
			struct guard from, to;
			uint8_t type = 0;
			ssize_t len;

			guard_new(&from, text, n, GUARD_AFTER);
			guard_new(&to, NULL, n + AEAD_OVERHEAD_MAX, GUARD_AFTER);
			len = aead_seal(&e.seal, pool, 22, from.data, n, to.data);
			assert_in_range(len, n + 21, n + AEAD_OVERHEAD_MAX);
			assert_int_equal(aead_record_len(&e.open, to.data), len);
			assert_int_equal(record_open(&e.crypto, to.data, (size_t)len, got, &type),
					 n);
			assert_int_equal(type, 22);
			assert_memory_equal(got, text, n);
			guard_free(&from);
			guard_free(&to);
		}
		stop(&e);
	}
}

/* --- refused ---------------------------------------------------------------------------------- */

static void any_bit_that_is_turned(void **state)
{
	EACH_SUITE
	for (size_t n = 0; n < 40; n += 13) {
		uint8_t record[100], got[100], type;
		struct ends e;
		size_t len;

		start(&e, v, s, 5);
		len = (size_t)record_seal(&e.crypto, 23, text, n, record);
		for (size_t bit = 0; bit < 8 * len; bit++) {
			ssize_t r;

			record[bit / 8] ^= (uint8_t)(1 << bit % 8);
			e.open.seq = 5;
			/* A bit of the length makes it another record. */
			if (bit / 8 != 3 && bit / 8 != 4) {
				r = open_guarded(&e.open, record, len, got, &type, bit % 2,
						 bit % 4 / 2);
				assert_true(r < 0);
				if (bit >= 40)
					assert_int_equal(r, -AEAD_FORGED);
			}
			record[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		e.open.seq = 5;
		assert_int_equal(open_guarded(&e.open, record, len, got, &type, false, 0), n);
		stop(&e);
	}
}

/* Each record has a number. Another one's is not good, and it comes once. */
static void another_number(void **state)
{
	EACH_SUITE
	{
		uint8_t record[2][100], got[100], type;
		size_t len[2];
		struct ends e;

		start(&e, v, s, 0);
		for (int i = 0; i < 2; i++)
			len[i] = (size_t)record_seal(&e.crypto, 23, "abc", 3, record[i]);
		assert_int_equal(open_guarded(&e.open, record[1], len[1], got, &type, false, 0),
				 -AEAD_FORGED);
		e.open.seq = 0;
		for (int i = 0; i < 2; i++)
			assert_int_equal(
				open_guarded(&e.open, record[i], len[i], got, &type, false, 0), 3);
		assert_int_equal(open_guarded(&e.open, record[1], len[1], got, &type, false, 0),
				 -AEAD_FORGED);
		stop(&e);
	}
}

/* RFC 8446 section 5.2, RFC 5246 section 6.2.3. */
static void every_length_of_a_header(void **state)
{
	EACH_SUITE
	{
		const unsigned least = v == VERSION_TLS12 && s != SUITE_CHACHA20_POLY1305 ? 24 : 16;
		const unsigned most = 16384 + (v == VERSION_TLS13 ? 256 : least);
		struct ends e;

		start(&e, v, s, 0);
		for (unsigned len = 0; len <= UINT16_MAX; len++) {
			const uint8_t header[] = {23, 3, 3, (uint8_t)(len >> 8), (uint8_t)len};
			const ssize_t r = aead_record_len(&e.open, header);

			assert_int_equal(r, len > most    ? -AEAD_OVERSIZE
					    : len < least ? -AEAD_SHORT
							  : 5 + (int)len);
		}
		stop(&e);
	}
}

static void versions_and_types_of_a_header(void **state)
{
	for (int v = 0; v < VERSION_COUNT; v++)
		for (unsigned i = 0; i < 256; i++) {
			const uint8_t type[] = {(uint8_t)i, 3, 3, 0, 40};
			const uint8_t major[] = {23, (uint8_t)i, 3, 0, 40};
			const uint8_t minor[] = {23, 3, (uint8_t)i, 0, 40};
			struct ends e;

			start(&e, v, SUITE_AES_128_GCM, 0);
			assert_int_equal(aead_record_len(&e.open, type),
					 v == VERSION_TLS13 && i != 23 ? -AEAD_CLEAR : 45);
			assert_int_equal(aead_record_len(&e.open, major),
					 i == 3 ? 45 : -AEAD_VERSION);
			assert_int_equal(aead_record_len(&e.open, minor),
					 i == 3 ? 45 : -AEAD_VERSION);
			stop(&e);
		}
}

/* TLS 1.3: zeros behind the type, any number of them. */
static void padding(void **state)
{
	static uint8_t inner[AEAD_CONTENT_MAX + 256], record[2 * AEAD_RECORD_MAX],
		got[2 * AEAD_RECORD_MAX];
	static const struct {
		size_t content, zeros;
		bool typed;
		ssize_t want;
	} cases[] = {
		{0, 0, true, 0},
		{0, 1, true, 0},
		{0, 16383, true, 0},
		{0, 16384, true, 0},
		{0, 16385, true, -AEAD_OVERSIZE},
		{1, 16383, true, 1},
		{16384, 0, true, 16384},
		{16384, 1, true, -AEAD_OVERSIZE},
		{16384, 238, true, -AEAD_OVERSIZE},
		{0, 1, false, -AEAD_TYPELESS},
		{0, 16385, false, -AEAD_TYPELESS},
		{0, 16386, false, -AEAD_OVERSIZE},
	};

	for (int s = 0; s < SUITE_COUNT; s++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			const size_t n = cases[i].content + cases[i].typed + cases[i].zeros;
			uint8_t type = 0;
			struct ends e;
			int len;

			memset(inner, 0, sizeof(inner));
			memset(inner, 'x', cases[i].content);
			if (cases[i].typed)
				inner[cases[i].content] = 21;
			start(&e, VERSION_TLS13, s, 0);
			/* The last byte is sealed as the type. */
			len = record_seal(&e.crypto, inner[n - 1], inner, n - 1, record);
			assert_int_equal(
				open_guarded(&e.open, record, (size_t)len, got, &type, i % 2, 0),
				cases[i].want);
			if (cases[i].want >= 0)
				assert_int_equal(type, 21);
			stop(&e);
		}
}

/* --- known records ---------------------------------------------------------------------------- */

/* RFC 8448 section 3, the application keys of a handshake with TLS_AES_128_GCM_SHA256. */
static const uint8_t rfc_key[2][16] = {
	{0x17, 0x42, 0x2d, 0xda, 0x59, 0x6e, 0xd5, 0xd9, 0xac, 0xd8, 0x90, 0xe3, 0xc6, 0x3f, 0x50,
	 0x51},
	{0x9f, 0x02, 0x28, 0x3b, 0x6c, 0x9c, 0x07, 0xef, 0xc2, 0x6b, 0xb9, 0xf2, 0xac, 0x92, 0xe3,
	 0x56},
};
static const uint8_t rfc_iv[2][12] = {
	{0x5b, 0x78, 0x92, 0x3d, 0xee, 0x08, 0x57, 0x90, 0x33, 0xe5, 0x23, 0xd9},
	{0xcf, 0x78, 0x2b, 0x88, 0xdd, 0x83, 0x54, 0x9a, 0xad, 0xf1, 0xe9, 0x84},
};
/* Fifty bytes of data, 00 to 31, and a close_notify: the client's, then the server's. */
static const uint8_t rfc_data[2][72] = {
	{0x17, 0x03, 0x03, 0x00, 0x43, 0xa2, 0x3f, 0x70, 0x54, 0xb6, 0x2c, 0x94, 0xd0, 0xaf, 0xfa,
	 0xfe, 0x82, 0x28, 0xba, 0x55, 0xcb, 0xef, 0xac, 0xea, 0x42, 0xf9, 0x14, 0xaa, 0x66, 0xbc,
	 0xab, 0x3f, 0x2b, 0x98, 0x19, 0xa8, 0xa5, 0xb4, 0x6b, 0x39, 0x5b, 0xd5, 0x4a, 0x9a, 0x20,
	 0x44, 0x1e, 0x2b, 0x62, 0x97, 0x4e, 0x1f, 0x5a, 0x62, 0x92, 0xa2, 0x97, 0x70, 0x14, 0xbd,
	 0x1e, 0x3d, 0xea, 0xe6, 0x3a, 0xee, 0xbb, 0x21, 0x69, 0x49, 0x15, 0xe4},
	{0x17, 0x03, 0x03, 0x00, 0x43, 0x2e, 0x93, 0x7e, 0x11, 0xef, 0x4a, 0xc7, 0x40, 0xe5, 0x38,
	 0xad, 0x36, 0x00, 0x5f, 0xc4, 0xa4, 0x69, 0x32, 0xfc, 0x32, 0x25, 0xd0, 0x5f, 0x82, 0xaa,
	 0x1b, 0x36, 0xe3, 0x0e, 0xfa, 0xf9, 0x7d, 0x90, 0xe6, 0xdf, 0xfc, 0x60, 0x2d, 0xcb, 0x50,
	 0x1a, 0x59, 0xa8, 0xfc, 0xc4, 0x9c, 0x4b, 0xf2, 0xe5, 0xf0, 0xa2, 0x1c, 0x00, 0x47, 0xc2,
	 0xab, 0xf3, 0x32, 0x54, 0x0d, 0xd0, 0x32, 0xe1, 0x67, 0xc2, 0x95, 0x5d},
};
static const uint8_t rfc_alert[2][24] = {
	{0x17, 0x03, 0x03, 0x00, 0x13, 0xc9, 0x87, 0x27, 0x60, 0x65, 0x56, 0x66,
	 0xb7, 0x4d, 0x7f, 0xf1, 0x15, 0x3e, 0xfd, 0x6d, 0xb6, 0xd0, 0xb0, 0xe3},
	{0x17, 0x03, 0x03, 0x00, 0x13, 0xb5, 0x8f, 0xd6, 0x71, 0x66, 0xeb, 0xf5,
	 0x99, 0xd2, 0x47, 0x20, 0xcf, 0xbe, 0x7e, 0xfa, 0x7a, 0x88, 0x64, 0xa9},
};

static void records_of_rfc_8448(void **state)
{
	for (int side = 0; side < 2; side++) {
		uint8_t fifty[50], got[100], type = 0;
		struct aead_key seal, open;
		union ktls_crypto crypto;

		for (uint8_t i = 0; i < sizeof(fifty); i++)
			fifty[i] = i;
		/* The server's ticket was its record 0. */
		ktls_fill(&crypto, VERSION_TLS13, SUITE_AES_128_GCM, rfc_key[side], rfc_iv[side],
			  (uint64_t)side);
		aead_key_set(&seal, &crypto, true);
		aead_key_set(&open, &crypto, false);

		assert_int_equal(aead_seal(&seal, pool, 23, fifty, 50, got), 72);
		assert_memory_equal(got, rfc_data[side], 72);
		assert_int_equal(aead_seal(&seal, pool, 21, (const uint8_t *)"\1\0", 2, got), 24);
		assert_memory_equal(got, rfc_alert[side], 24);

		assert_int_equal(open_guarded(&open, rfc_data[side], 72, got, &type, false, 0), 50);
		assert_int_equal(type, 23);
		assert_memory_equal(got, fifty, 50);
		assert_int_equal(open_guarded(&open, rfc_alert[side], 24, got, &type, true, 0), 2);
		assert_int_equal(type, 21);
		assert_memory_equal(got, "\1\0", 2);
		aead_pool_wipe(pool, &seal);
		aead_pool_wipe(pool, &open);
	}
}

/*
 * TLS 1.2: what OpenSSL 3.0 sent as a client and as a server, with the keys of those handshakes: a
 * record of data, and a close_notify. The explicit nonces of AES-GCM are OpenSSL's own.
 */
static const struct {
	int suite;
	uint64_t seq;
	uint8_t key[32], iv[12];
	size_t data_len, alert_len; /* of the records */
	uint8_t records[78];
} records12[] = {
	{SUITE_AES_128_GCM,
	 1,
	 {
		 0x3e,
		 0xf7,
		 0xd8,
		 0x53,
		 0xe2,
		 0x77,
		 0x03,
		 0xed,
		 0xa0,
		 0x39,
		 0x9c,
		 0x36,
		 0xb7,
		 0x58,
		 0x43,
		 0x0b,
	 },
	 {
		 0x74,
		 0xd1,
		 0x6e,
		 0x17,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
	 },
	 47,
	 31,
	 {
		 0x17, 0x03, 0x03, 0x00, 0x2a, 0x2a, 0x59, 0x9d, 0x5a, 0x36, 0x78, 0xec, 0xbf,
		 0x74, 0xca, 0x2f, 0x54, 0xd6, 0x14, 0xb0, 0xbd, 0x04, 0x60, 0x78, 0x07, 0x9f,
		 0x15, 0xdd, 0xae, 0x23, 0x51, 0x04, 0xbb, 0xd5, 0x54, 0xf8, 0xa1, 0x6b, 0xa7,
		 0x85, 0xe5, 0x61, 0x77, 0xa5, 0xc7, 0x25, 0x24, 0x15, 0x03, 0x03, 0x00, 0x1a,
		 0x2a, 0x59, 0x9d, 0x5a, 0x36, 0x78, 0xec, 0xc0, 0xed, 0x56, 0x0d, 0xb0, 0xd6,
		 0xc6, 0xa3, 0xe8, 0xd4, 0x39, 0xab, 0xe6, 0xba, 0x9d, 0xc3, 0x6f, 0xf4, 0x86,
	 }},
	{SUITE_AES_128_GCM,
	 1,
	 {
		 0xb9,
		 0x06,
		 0x21,
		 0x3b,
		 0xde,
		 0xd8,
		 0x57,
		 0x1c,
		 0xbc,
		 0x0a,
		 0x66,
		 0x25,
		 0x62,
		 0xde,
		 0xb8,
		 0x6e,
	 },
	 {
		 0x28,
		 0xdb,
		 0xa4,
		 0xd4,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
	 },
	 47,
	 31,
	 {
		 0x17, 0x03, 0x03, 0x00, 0x2a, 0xb5, 0x0e, 0xe1, 0xec, 0x84, 0x9c, 0xbf, 0xd3,
		 0xee, 0x27, 0x79, 0xf9, 0xe2, 0xe0, 0x9e, 0x25, 0xd6, 0x3e, 0xb9, 0x93, 0xb8,
		 0x4a, 0xf1, 0x4a, 0x65, 0xd4, 0xf6, 0x96, 0xd5, 0x19, 0x88, 0x0c, 0x06, 0xde,
		 0x5e, 0xbe, 0x78, 0x8e, 0x2c, 0xfd, 0x92, 0xc4, 0x15, 0x03, 0x03, 0x00, 0x1a,
		 0xb5, 0x0e, 0xe1, 0xec, 0x84, 0x9c, 0xbf, 0xd4, 0x14, 0x3b, 0xe5, 0x18, 0x1d,
		 0x79, 0x74, 0x68, 0x1f, 0xe5, 0xa3, 0xcf, 0x5c, 0xde, 0x6b, 0xac, 0x44, 0x8e,
	 }},
	{SUITE_AES_256_GCM,
	 1,
	 {
		 0x28, 0x28, 0x41, 0xbe, 0xa6, 0x5a, 0xb0, 0xcf, 0x12, 0x40, 0xce,
		 0x62, 0x5c, 0x5a, 0xdf, 0xf1, 0x88, 0xe7, 0xad, 0xf3, 0x85, 0x08,
		 0x29, 0x98, 0x2d, 0x0d, 0x5f, 0xca, 0xe5, 0xc3, 0xbc, 0x19,
	 },
	 {
		 0xfe,
		 0x83,
		 0x15,
		 0x7d,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
	 },
	 47,
	 31,
	 {
		 0x17, 0x03, 0x03, 0x00, 0x2a, 0x5a, 0x07, 0x20, 0x7e, 0xa5, 0x63, 0xb3, 0xaf,
		 0xc2, 0xca, 0x43, 0x04, 0xb9, 0x75, 0xbe, 0xce, 0xdb, 0xd9, 0x2b, 0x79, 0x3e,
		 0x1a, 0x7e, 0x92, 0x69, 0xf1, 0xe7, 0x05, 0x12, 0x75, 0x9d, 0x07, 0xe9, 0x41,
		 0x04, 0xcb, 0x80, 0x04, 0x33, 0x68, 0x51, 0x3a, 0x15, 0x03, 0x03, 0x00, 0x1a,
		 0x5a, 0x07, 0x20, 0x7e, 0xa5, 0x63, 0xb3, 0xb0, 0x19, 0x42, 0x45, 0x4c, 0x3d,
		 0xa5, 0xd2, 0x1e, 0xa8, 0x75, 0x93, 0xf5, 0x70, 0x11, 0xbc, 0x8e, 0x85, 0xed,
	 }},
	{SUITE_AES_256_GCM,
	 1,
	 {
		 0x0f, 0x1f, 0xda, 0x9b, 0x04, 0xcd, 0xd4, 0xc9, 0x8e, 0xab, 0x56,
		 0xb0, 0x78, 0xdc, 0x4d, 0xcb, 0xd3, 0xa7, 0xa9, 0xc5, 0x68, 0x89,
		 0x27, 0x74, 0xf4, 0x50, 0xbe, 0x8d, 0x60, 0x63, 0x08, 0xeb,
	 },
	 {
		 0x35,
		 0xc7,
		 0x58,
		 0x63,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
		 0x00,
	 },
	 47,
	 31,
	 {
		 0x17, 0x03, 0x03, 0x00, 0x2a, 0xfe, 0x1c, 0x81, 0xb1, 0xbe, 0x82, 0x7e, 0x1e,
		 0x82, 0x8b, 0x25, 0x52, 0x7c, 0x2c, 0x0b, 0x36, 0x9a, 0x18, 0x85, 0x8b, 0xb5,
		 0x09, 0x50, 0xbe, 0x0e, 0x0e, 0x4e, 0x6a, 0x30, 0xf7, 0x87, 0x31, 0xc8, 0x8d,
		 0xbc, 0xf2, 0x34, 0xbc, 0x83, 0xaa, 0x81, 0x61, 0x15, 0x03, 0x03, 0x00, 0x1a,
		 0xfe, 0x1c, 0x81, 0xb1, 0xbe, 0x82, 0x7e, 0x1f, 0xc4, 0x6a, 0xca, 0x1d, 0x39,
		 0x2f, 0x3a, 0xfe, 0xef, 0xaf, 0xfb, 0xab, 0xc4, 0x1c, 0x9f, 0xad, 0xf3, 0x24,
	 }},
	{SUITE_CHACHA20_POLY1305,
	 1,
	 {
		 0xcd, 0x66, 0xcc, 0xb5, 0xe3, 0x84, 0xb9, 0xa2, 0x88, 0xa5, 0x68,
		 0xd3, 0x4d, 0xab, 0x64, 0xbd, 0x90, 0x87, 0xff, 0x7f, 0xd9, 0x21,
		 0x02, 0x52, 0x63, 0x88, 0x50, 0x52, 0x15, 0x26, 0x73, 0x0a,
	 },
	 {
		 0x85,
		 0x43,
		 0xcd,
		 0xdf,
		 0x45,
		 0x70,
		 0x2b,
		 0x0a,
		 0x87,
		 0x40,
		 0x74,
		 0xa0,
	 },
	 39,
	 23,
	 {
		 0x17, 0x03, 0x03, 0x00, 0x22, 0xbf, 0x9d, 0x2e, 0x71, 0xcf, 0x6e, 0x3b, 0x34,
		 0xf7, 0x1b, 0x03, 0xae, 0x16, 0x10, 0x0e, 0x26, 0x3c, 0x1d, 0x0e, 0x49, 0x87,
		 0xb8, 0xfc, 0x3e, 0x1e, 0x38, 0x7a, 0x21, 0xdc, 0xe8, 0x6b, 0x33, 0xc7, 0x9d,
		 0x15, 0x03, 0x03, 0x00, 0x12, 0x49, 0x6f, 0xfa, 0x0c, 0xd7, 0x4c, 0x15, 0x0b,
		 0x0f, 0xad, 0xf1, 0xf8, 0x31, 0xc9, 0x34, 0x03, 0xad, 0x75,
	 }},
	{SUITE_CHACHA20_POLY1305,
	 1,
	 {
		 0xdc, 0x9b, 0x1c, 0x36, 0xa2, 0x6e, 0x1b, 0x60, 0x5e, 0x5c, 0xfa,
		 0xcc, 0x4e, 0xcd, 0x5e, 0xda, 0x0d, 0x5c, 0x2a, 0x7b, 0x7d, 0xae,
		 0x35, 0x9c, 0x2c, 0x71, 0x89, 0xea, 0x5b, 0x26, 0x40, 0xb4,
	 },
	 {
		 0x7b,
		 0xe2,
		 0x2e,
		 0xf0,
		 0x69,
		 0x50,
		 0x9c,
		 0x2b,
		 0x0b,
		 0xfb,
		 0x1f,
		 0xf0,
	 },
	 39,
	 23,
	 {
		 0x17, 0x03, 0x03, 0x00, 0x22, 0xc3, 0x4d, 0x30, 0xa9, 0x65, 0x57, 0x88, 0x6f,
		 0x9e, 0x0c, 0x0e, 0x3e, 0xa5, 0xfd, 0xfc, 0xf4, 0xa5, 0xf3, 0xbf, 0x59, 0xc8,
		 0xce, 0xe9, 0xb1, 0xfc, 0x5d, 0xbc, 0x13, 0xcf, 0x21, 0x08, 0xd5, 0x23, 0x21,
		 0x15, 0x03, 0x03, 0x00, 0x12, 0x6c, 0x0e, 0x93, 0xcb, 0x79, 0x64, 0x2d, 0xee,
		 0x6d, 0xfa, 0xc8, 0x5c, 0xd5, 0x67, 0x6c, 0x5e, 0xc7, 0x4d,
	 }},
};

static void records_of_tls12(void **state)
{
	for (size_t i = 0; i < sizeof(records12) / sizeof(records12[0]); i++) {
		const char *want = i % 2 ? "data of the server" : "data of the client";
		const size_t first = records12[i].data_len, second = records12[i].alert_len;
		uint8_t got[100], type = 0;
		union ktls_crypto crypto;
		struct aead_key seal, open;

		ktls_fill(&crypto, VERSION_TLS12, records12[i].suite, records12[i].key,
			  records12[i].iv, records12[i].seq);
		aead_key_set(&open, &crypto, false);
		assert_int_equal(open_guarded(&open, records12[i].records, first, got, &type, true,
					      GUARD_AFTER),
				 18);
		assert_int_equal(type, 23);
		assert_memory_equal(got, want, 18);
		assert_int_equal(open_guarded(&open, records12[i].records + first, second, got,
					      &type, false, GUARD_BEFORE),
				 2);
		assert_int_equal(type, 21);
		assert_memory_equal(got, "\1\0", 2);

		aead_key_set(&seal, &crypto, true);
		assert_int_equal(aead_seal(&seal, pool, 23, (const uint8_t *)want, 18, got), first);
		if (records12[i].suite == SUITE_CHACHA20_POLY1305)
			assert_memory_equal(got, records12[i].records, first);
		aead_pool_wipe(pool, &seal);
		aead_pool_wipe(pool, &open);
	}
}

static int set_up(void **state)
{
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 2654435761u >> 13);
	pool = aead_pool_new();
	return pool ? 0 : -1;
}

static int tear_down(void **state)
{
	aead_pool_free(pool);
	aead_pool_free(NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_is_opened),
		cmocka_unit_test(every_size_is_sealed),
		cmocka_unit_test(any_bit_that_is_turned),
		cmocka_unit_test(another_number),
		cmocka_unit_test(every_length_of_a_header),
		cmocka_unit_test(versions_and_types_of_a_header),
		cmocka_unit_test(padding),
		cmocka_unit_test(records_of_rfc_8448),
		cmocka_unit_test(records_of_tls12),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
