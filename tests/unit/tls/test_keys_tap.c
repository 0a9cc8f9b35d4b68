/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/keys_tap.c: what it remembers of the derivations in this thread, and that it changes
 * nothing about them. The vectors are those of RFC 8448 section 3. The source is included, so that
 * its library context can be used without a handshake.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "tls/keys_tap.c"

#define HASH_LEN 32

static const char master[] = "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919";
static const char hash[] = "9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13";
static const char client_secret[] =
	"9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";
static const char server_secret[] =
	"a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643";
static const char client_key[] = "17422dda596ed5d9acd890e3c63f5051";
static const char client_iv[] = "5b78923dee08579033e523d9";
static const char server_key[] = "9f02283b6c9c07efc26bb9f2ac92e356";
static const char server_iv[] = "cf782b88dd83549aadf1e984";

static struct keys_watch w, none;
static char digest[10];

static size_t hex(uint8_t *bytes, const char *text)
{
	size_t n = strlen(text) / 2;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(sscanf(text + 2 * i, "%2hhx", &bytes[i]), 1);
	return n;
}

static void expect_bytes(const uint8_t *bytes, size_t n, const char *text)
{
	uint8_t want[64];

	assert_int_equal(n, hex(want, text));
	assert_memory_equal(bytes, want, n);
}

/* One HKDF-Expand-Label in this library context. */
static int expand_in(OSSL_LIB_CTX *lib, const char *secret, const char *label, const char *data,
		     uint8_t *out, size_t n)
{
	uint8_t key[64], context[64];
	size_t key_len = hex(key, secret), context_len = hex(context, data);
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY, ok;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key, key_len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, (void *)"tls13 ", 6),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, (void *)label,
						  strlen(label)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_DATA, context, context_len),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(lib, OSSL_KDF_NAME_TLS1_3_KDF, "?provider=" TAP_NAME);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);

	ok = EVP_KDF_derive(ctx, out, n, params);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok;
}

static void expand(const char *secret, const char *label, const char *data, uint8_t *out, size_t n)
{
	assert_int_equal(expand_in(library, secret, label, data, out, n), 1);
}

/* One PRF of TLS 1.2 with a label and some random bytes behind it. */
static int prf_in(OSSL_LIB_CTX *lib, const char *label, uint8_t *out, size_t n)
{
	uint8_t secret[48] = "a master secret", random[64] = "of both";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret, sizeof(secret)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)label,
						  strlen(label)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, random, sizeof(random)),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(lib, OSSL_KDF_NAME_TLS1_PRF, "?provider=" TAP_NAME);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	int ok = EVP_KDF_derive(ctx, out, n, params);

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok;
}

static void derive_secrets(void)
{
	uint8_t out[HASH_LEN];

	expand(master, "c ap traffic", hash, out, sizeof(out));
	expect_bytes(out, sizeof(out), client_secret);
	expand(master, "s ap traffic", hash, out, sizeof(out));
	expect_bytes(out, sizeof(out), server_secret);
}

/* --- TLS 1.3 ---------------------------------------------------------------------------------- */

static void the_vectors_of_rfc_8448(void **state)
{
	uint8_t key[16], iv[12];

	keys_enter(&w);
	derive_secrets();
	assert_int_equal(w.traffic.len, HASH_LEN);
	expect_bytes(w.traffic.client, w.traffic.len, client_secret);
	expect_bytes(w.traffic.server, w.traffic.len, server_secret);
	expand(server_secret, "key", "", key, sizeof(key));
	expand(server_secret, "iv", "", iv, sizeof(iv));
	expect_bytes(w.server.key, w.server.key_len, server_key);
	expect_bytes(w.server.iv, w.server.iv_len, server_iv);
	assert_int_equal(w.client.key_len, 0);
	assert_int_equal(w.client.iv_len, 0);
	expand(client_secret, "key", "", key, sizeof(key));
	expand(client_secret, "iv", "", iv, sizeof(iv));
	expect_bytes(w.client.key, w.client.key_len, client_key);
	expect_bytes(w.client.iv, w.client.iv_len, client_iv);
	expect_bytes(w.server.key, w.server.key_len, server_key);
	/* OpenSSL got the same. */
	expect_bytes(key, sizeof(key), client_key);
	expect_bytes(iv, sizeof(iv), client_iv);
}

/* All that a handshake derives beside: keys of the handshake itself, "finished", "res master". */
static void other_secrets_and_labels_are_not_kept(void **state)
{
	static const char *const labels[] = {"c hs traffic", "s hs traffic", "exp master",
					     "res master",   "finished",     "derived",
					     "c ap traffi",  "c ap traffic!"};
	uint8_t out[HASH_LEN];

	keys_enter(&w);
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		expand(master, labels[i], hash, out, sizeof(out));
	assert_memory_equal(&w, &none, sizeof(w));
	/* Before the secrets are known, and then from another one. */
	expand(client_secret, "key", "", out, 16);
	expand(client_secret, "iv", "", out, 12);
	/* An empty secret is not the one that is not known yet. OpenSSL may refuse it. */
	expand_in(library, "", "key", "", out, 16);
	assert_memory_equal(&w, &none, sizeof(w));
	derive_secrets();
	expand(master, "key", "", out, 16);
	expand(master, "iv", "", out, 12);
	assert_int_equal(w.client.key_len | w.client.iv_len | w.server.key_len | w.server.iv_len,
			 0);
	/* A secret of another length whose first bytes are the same. */
	expand("9e40646ce79a7f9dc05af8889bce6552", "key", "", out, 16);
	assert_int_equal(w.client.key_len, 0);
}

static void what_is_too_long_is_not_kept(void **state)
{
	uint8_t out[64];

	keys_enter(&w);
	expand(master, "c ap traffic", hash, out, KEYS_SECRET_MAX + 1);
	assert_memory_equal(&w, &none, sizeof(w));
	expand(master, "s ap traffic", hash, out, KEYS_SECRET_MAX);
	assert_int_equal(w.traffic.len, KEYS_SECRET_MAX);
	derive_secrets();
	expand(client_secret, "key", "", out, sizeof(w.client.key) + 1);
	expand(client_secret, "iv", "", out, sizeof(w.client.iv) + 1);
	assert_int_equal(w.client.key_len | w.client.iv_len, 0);
	expand(client_secret, "key", "", out, sizeof(w.client.key));
	assert_int_equal(w.client.key_len, sizeof(w.client.key));
	assert_int_equal(w.client.iv[0] | w.client.iv_len, 0);
}

static void a_failed_derivation_leaves_nothing(void **state)
{
	uint8_t out[KEYS_BLOCK_MAX] = {0};

	keys_enter(&w);
	strcpy(digest, "NO-SUCH");
	assert_int_equal(expand_in(library, master, "c ap traffic", hash, out, HASH_LEN), 0);
	assert_int_equal(prf_in(library, "key expansion", out, sizeof(out)), 0);
	assert_memory_equal(&w, &none, sizeof(w));
}

/* --- TLS 1.2 ---------------------------------------------------------------------------------- */

static void the_key_block(void **state)
{
	uint8_t out[200], want[sizeof(out)];

	assert_int_equal(prf_in(NULL, "key expansion", want, sizeof(want)), 1);
	for (size_t n = 1; n <= sizeof(out); n += n < 80 ? 13 : 1) {
		const size_t kept = n < KEYS_BLOCK_MAX ? n : KEYS_BLOCK_MAX;

		memset(&w, 0, sizeof(w));
		keys_enter(&w);
		assert_int_equal(prf_in(library, "key expansion", out, n), 1);
		assert_memory_equal(out, want, n);
		assert_int_equal(w.block_len, kept);
		assert_memory_equal(w.block, want, kept);
	}
}

static void other_labels_of_tls12(void **state)
{
	static const char *const labels[] = {"master secret",   "extended master secret",
					     "client finished", "server finished",
					     "key expansio",    "key expansion!"};
	uint8_t out[KEYS_BLOCK_MAX];

	keys_enter(&w);
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		assert_int_equal(prf_in(library, labels[i], out, sizeof(out)), 1);
	assert_memory_equal(&w, &none, sizeof(w));
}

/* --- who is watched --------------------------------------------------------------------------- */

static void nobody_is_watched_outside(void **state)
{
	uint8_t out[KEYS_BLOCK_MAX];

	derive_secrets();
	assert_int_equal(prf_in(library, "key expansion", out, sizeof(out)), 1);
	keys_enter(&w);
	keys_leave();
	derive_secrets();
	assert_int_equal(prf_in(library, "key expansion", out, sizeof(out)), 1);
	assert_memory_equal(&w, &none, sizeof(w));
}

/* The rest of the program has the default library context, which knows nothing of this. */
static void other_library_contexts_are_left_alone(void **state)
{
	uint8_t out[KEYS_BLOCK_MAX];

	keys_enter(&w);
	assert_int_equal(expand_in(NULL, master, "c ap traffic", hash, out, HASH_LEN), 1);
	expect_bytes(out, HASH_LEN, client_secret);
	assert_int_equal(prf_in(NULL, "key expansion", out, sizeof(out)), 1);
	assert_memory_equal(&w, &none, sizeof(w));
}

static void *derive_beside(void *arg)
{
	uint8_t out[HASH_LEN];

	(void)arg;
	return (void *)(intptr_t)expand_in(library, master, "c ap traffic", hash, out, HASH_LEN);
}

static void other_threads_are_not_watched(void **state)
{
	pthread_t thread;
	void *ok = NULL;

	keys_enter(&w);
	assert_int_equal(pthread_create(&thread, NULL, derive_beside, NULL), 0);
	pthread_join(thread, &ok);
	assert_non_null(ok);
	assert_memory_equal(&w, &none, sizeof(w));
}

/* --- setting up ------------------------------------------------------------------------------- */

static void names_are_compared_whole(void **state)
{
	assert_true(named("TLS13-KDF", "TLS13-KDF"));
	assert_true(named("a:tls13-kdf", "TLS13-KDF"));
	assert_true(named("a:TLS13-KDF:b", "TLS13-KDF"));
	assert_false(named("TLS13-KDF2", "TLS13-KDF"));
	assert_false(named("a:TLS13", "TLS13-KDF"));
	assert_false(named("", "TLS13-KDF"));
}

static void an_unknown_algorithm_cannot_be_tapped(void **state)
{
	struct tapped t = {0};

	assert_false(tap(&t, "NO-SUCH-KDF", derive_tls13));
	assert_true(tap(&t, OSSL_KDF_NAME_TLS1_3_KDF, derive_tls13));
	assert_true(t.derive && t.derive != derive_tls13);
}

static void contexts_are_for_servers_and_come_any_number_of_times(void **state)
{
	for (int i = 0; i < 3; i++) {
		SSL_CTX *ctx = keys_ssl_ctx_new();
		SSL *ssl;

		assert_non_null(ctx);
		ssl = SSL_new(ctx);
		assert_non_null(ssl);
		assert_true(SSL_is_server(ssl));
		SSL_free(ssl);
		SSL_CTX_free(ctx);
	}
}

static int prepare(void **state)
{
	SSL_CTX *ctx = keys_ssl_ctx_new();

	SSL_CTX_free(ctx);
	return ctx == NULL;
}

static int fresh(void **state)
{
	memset(&w, 0, sizeof(w));
	strcpy(digest, "SHA256");
	keys_leave();
	return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, fresh)
	const struct CMUnitTest tests[] = {
		TEST(the_vectors_of_rfc_8448),
		TEST(other_secrets_and_labels_are_not_kept),
		TEST(what_is_too_long_is_not_kept),
		TEST(a_failed_derivation_leaves_nothing),
		TEST(the_key_block),
		TEST(other_labels_of_tls12),
		TEST(nobody_is_watched_outside),
		TEST(other_library_contexts_are_left_alone),
		TEST(other_threads_are_not_watched),
		TEST(names_are_compared_whole),
		TEST(an_unknown_algorithm_cannot_be_tapped),
		TEST(contexts_are_for_servers_and_come_any_number_of_times),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
