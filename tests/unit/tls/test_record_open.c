/* SPDX-License-Identifier: BSD-2-Clause */
/* user/tls/record_open.c: which records are authentic, against records that the test has sealed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/lib/guard.h"
#include "tests/lib/tls_records.h"
#include "tls/record_open.h"

static const uint8_t key[32] = "a key of thirty-two octets, yes", iv[12] = "twelve octe";

/* On a copy that ends at a page which may not be touched. */
static bool authentic(const union ktls_crypto *keys, const uint8_t *record, size_t n)
{
	struct guard g;
	bool is;

	guard_new(&g, record, n, GUARD_AFTER);
	is = record_authentic(keys, g.data, n);
	guard_free(&g);
	return is;
}

static void only_as_it_was_sealed(void **state)
{
	uint8_t record[100], copy[100];

	for (int s = 0; s < SUITE_COUNT; s++) {
		union ktls_crypto seal, open;
		size_t n;

		ktls_fill(&seal, VERSION_TLS13, s, key, iv, 0xfffffffffe);
		open = seal;
		n = (size_t)record_seal(&seal, 0, "\0\0\0", 3, record);
		assert_true(authentic(&open, record, n));
		for (size_t bit = 0; bit < 8 * n; bit++) {
			memcpy(copy, record, n);
			copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(authentic(&open, copy, n));
		}
		/* With the number of the next one. */
		assert_false(authentic(&seal, record, n));
	}
}

/* What lies behind it does not matter, what is missing does. */
static void every_cut_and_what_lies_behind(void **state)
{
	uint8_t record[100] = {0};

	for (int s = 0; s < SUITE_COUNT; s++) {
		union ktls_crypto seal, open;
		size_t n;

		ktls_fill(&seal, VERSION_TLS13, s, key, iv, 7);
		open = seal;
		n = (size_t)record_seal(&seal, 23, "abc", 3, record);
		for (size_t len = 0; len <= sizeof(record); len++)
			assert_int_equal(authentic(&open, record, len), len >= n);
	}
}

/* Less than a tag, by the header; there may be any number of bytes. */
static void lengths_below_a_tag(void **state)
{
	union ktls_crypto keys;
	uint8_t record[100] = {23, 3, 3};

	ktls_fill(&keys, VERSION_TLS13, SUITE_AES_128_GCM, key, iv, 0);
	for (uint8_t len = 0; len <= 16; len++) {
		record[4] = len;
		assert_false(authentic(&keys, record, sizeof(record)));
	}
}

static void the_largest_record_and_it_is_decrypted_in_place(void **state)
{
	static uint8_t text[16384], record[RECORD_BYTES_MAX];

	memset(text, 'x', sizeof(text));
	for (int s = 0; s < SUITE_COUNT; s++) {
		union ktls_crypto seal, open;
		size_t n;

		ktls_fill(&seal, VERSION_TLS13, s, key, iv, 1);
		open = seal;
		n = (size_t)record_seal(&seal, 23, text, sizeof(text), record);
		assert_true(record_authentic(&open, record, n));
		assert_memory_equal(record + 5, text, sizeof(text));
		assert_int_equal(record[5 + sizeof(text)], 23);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_as_it_was_sealed),
		cmocka_unit_test(every_cut_and_what_lies_behind),
		cmocka_unit_test(lengths_below_a_tag),
		cmocka_unit_test(the_largest_record_and_it_is_decrypted_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
