/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/aead_pool.c: more directions than there are contexts, and what is left of them. The
 * source is included, so that it can be seen and its allocations can fail.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/lib/random.h"
#include "tests/lib/tls_records.h"
#include "tls/aead.h"

static bool no_memory;
static const char *missing; /* a cipher that OpenSSL does not have */

#define calloc(n, size)      (no_memory ? NULL : calloc(n, size))
#define EVP_CIPHER_CTX_new() (no_memory ? NULL : EVP_CIPHER_CTX_new())
#define EVP_CIPHER_fetch(lib, n, p) \
	(missing && !strcmp(missing, n) ? NULL : EVP_CIPHER_fetch(lib, n, p))
#include "tls/aead_pool.c"
#undef calloc

static const uint8_t iv[12] = "twelve octe";

static struct aead_pool *pool;
static const uint8_t text[100] = "text";

/* Both directions of a key that begins with this record, and a third for the tests' opening. */
struct ends {
	union ktls_crypto crypto;
	struct aead_key seal, open;
};

static void start(struct ends *e, int version, int suite, uint64_t seq)
{
	uint8_t key[32] = "a key of thirty-two octets, yes";

	memcpy(key, &seq, sizeof(seq)); /* each has its own */
	ktls_fill(&e->crypto, version, suite, key, iv, seq);
	aead_key_set(&e->seal, &e->crypto, true);
	aead_key_set(&e->open, &e->crypto, false);
}

static EVP_CIPHER_CTX *lend_own(struct aead_key *k)
{
	EVP_CIPHER_CTX *ctx = NULL;

	for (int i = 0; i < AEAD_OWN_SINCE; i++)
		ctx = aead_pool_lend(pool, k);
	return ctx;
}

static void assert_nothing_is_left(void)
{
	for (int i = 0; i < AEAD_CONTEXTS + 2; i++)
		assert_true(!pool->contexts[i].ctx && !pool->contexts[i].owner);
}

static void stop(struct ends *e)
{
	aead_pool_wipe(pool, &e->seal);
	aead_pool_wipe(pool, &e->open);
}

/* More directions than there are contexts, in any order: each goes on as if it had its own. */
static void contexts_are_lent(void **state)
{
	enum { COUNT = AEAD_CONTEXTS + 100 };
	static struct ends e[COUNT];
	uint32_t x = 2463534242;

	for (int i = 0; i < COUNT; i++)
		start(&e[i], i % VERSION_COUNT, i % SUITE_COUNT, (uint64_t)i);
	for (int i = 0; i < 20000; i++) {
		struct ends *one = &e[random_next(&x) % COUNT];
		uint8_t record[200], got[200], type;
		ssize_t len = aead_seal(&one->seal, pool, 23, text, (size_t)i % 100, record);

		assert_int_equal(aead_open(&one->open, pool, record, (size_t)len, got, &type),
				 i % 100);
		assert_int_equal(record_open(&one->crypto, record, (size_t)len, got, &type),
				 i % 100);
	}
	for (int i = 0; i < COUNT; i++)
		stop(&e[i]);
	assert_nothing_is_left();
}

/* It loses it at most when the hand has found that all are in use. */
static void one_that_is_busy_keeps_its_context(void **state)
{
	enum { COUNT = 4 * AEAD_CONTEXTS };
	static struct ends e[COUNT];
	struct ends busy;
	int losses = 0;

	start(&busy, VERSION_TLS13, SUITE_AES_128_GCM, 0);
	assert_non_null(lend_own(&busy.seal));
	for (int i = 0; i < COUNT; i++) {
		start(&e[i], VERSION_TLS13, SUITE_AES_256_GCM, 0);
		assert_non_null(lend_own(&e[i].seal));
		losses += pool->contexts[busy.seal.context].owner != &busy.seal;
		assert_non_null(aead_pool_lend(pool, &busy.seal));
	}
	assert_in_range(losses, 0, 4);
	stop(&busy);
	for (int i = 0; i < COUNT; i++)
		stop(&e[i]);
}

static int contexts(void)
{
	int n = 0;

	for (int i = 0; i < AEAD_CONTEXTS + 2; i++)
		n += pool->contexts[i].ctx != NULL;
	return n;
}

/* Many connections with few records take two contexts in all; then each direction has its own. */
static void first_records_share(void **state)
{
	enum { COUNT = 40 };
	static struct ends e[COUNT];

	for (int i = 0; i < COUNT; i++)
		start(&e[i], VERSION_TLS13, i % SUITE_COUNT, (uint64_t)i);
	for (int lends = 1; lends < AEAD_OWN_SINCE; lends++) {
		for (int i = 0; i < COUNT; i++) {
			assert_non_null(aead_pool_lend(pool, &e[i].seal));
			assert_non_null(aead_pool_lend(pool, &e[i].open));
		}
		assert_int_equal(contexts(), 2);
	}
	for (int i = 0; i < COUNT; i++) {
		EVP_CIPHER_CTX *own = aead_pool_lend(pool, &e[i].seal);

		assert_ptr_equal(pool->contexts[e[i].seal.context].owner, &e[i].seal);
		assert_ptr_equal(aead_pool_lend(pool, &e[i].seal), own);
	}
	assert_in_range(contexts(), COUNT, COUNT + 2);
	for (int i = 0; i < COUNT; i++)
		stop(&e[i]);
	assert_nothing_is_left();
}

/* With a shared context, and with one of its own. */
static void a_key_that_ends_leaves_nothing(void **state)
{
	static const struct aead_key nothing;
	struct ends e;

	start(&e, VERSION_TLS13, SUITE_AES_128_GCM, 0);
	assert_non_null(aead_pool_lend(pool, &e.seal));
	aead_pool_wipe(pool, &e.seal);
	assert_nothing_is_left();
	start(&e, VERSION_TLS13, SUITE_AES_128_GCM, 0);
	assert_non_null(lend_own(&e.seal));
	aead_pool_wipe(pool, &e.seal);
	aead_pool_wipe(pool, &e.open); /* has had no context */
	assert_memory_equal(&e.seal, &nothing, sizeof(nothing));
	assert_memory_equal(&e.open, &nothing, sizeof(nothing));
	assert_nothing_is_left();
	aead_pool_wipe(pool, &e.seal); /* again */
}

static void without_memory(void **state)
{
	struct ends e;

	no_memory = true;
	assert_null(aead_pool_new());
	start(&e, VERSION_TLS13, SUITE_AES_128_GCM, 0);
	for (int i = 0; i < 2 * AEAD_CONTEXTS; i++)
		assert_null(aead_pool_lend(pool, &e.seal));
	no_memory = false;
	assert_non_null(aead_pool_lend(pool, &e.seal));
	stop(&e);
}

static void without_a_cipher(void **state)
{
	for (int s = 0; s < SUITE_COUNT; s++) {
		missing = names[s];
		assert_null(aead_pool_new());
	}
	missing = NULL;
}

static int set_up(void **state)
{
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
		cmocka_unit_test(contexts_are_lent),
		cmocka_unit_test(one_that_is_busy_keeps_its_context),
		cmocka_unit_test(first_records_share),
		cmocka_unit_test(a_key_that_ends_leaves_nothing),
		cmocka_unit_test(without_memory),
		cmocka_unit_test(without_a_cipher),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
