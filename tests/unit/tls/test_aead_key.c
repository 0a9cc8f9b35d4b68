/* SPDX-License-Identifier: BSD-2-Clause */
/* user/tls/aead_key.c: what the kernel's struct has, by version and suite. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls/aead_key.h"

static const uint8_t key[32] = "a key of thirty-two octets, yes", iv[12] = "twelve octe";

static void every_version_and_suite(void **state)
{
	static const size_t lens[] = {16, 32, 32};

	for (int v = 0; v < VERSION_COUNT; v++)
		for (int s = 0; s < SUITE_COUNT; s++)
			for (int seals = 0; seals < 2; seals++) {
				const bool explicit =
					v == VERSION_TLS12 && s != SUITE_CHACHA20_POLY1305;
				union ktls_crypto crypto;
				struct aead_key k;

				ktls_fill(&crypto, v, s, key, iv, 0x0123456789abcdef);
				aead_key_set(&k, &crypto, seals);
				assert_true(k.seq == 0x0123456789abcdef);
				assert_int_equal(k.suite, s);
				assert_int_equal(k.tls13, v == VERSION_TLS13);
				assert_int_equal(k.seals, seals);
				assert_memory_equal(k.key, key, lens[s]);
				assert_memory_equal(k.iv, iv, explicit ? 4 : 12);
				assert_int_equal(aead_key_sends_nonce(&k), explicit);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version_and_suite),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
