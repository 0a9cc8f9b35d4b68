/* Key derivation for the hand-off; see keys.h. With tls*.c, wire.c and record_openssl.c the only
 * files that know OpenSSL. */
#include "keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "cleanup.h"

enum hash { HASH_SHA256, HASH_SHA384, HASH_COUNT };

struct keys_kit {
	EVP_MAC_CTX *hmac[HASH_COUNT];
};

/* Key and IV sizes in the two versions' derivations; the rest of ktls_fill()'s iv stays unused. */
static const struct {
	enum hash hash;
	uint8_t key_len, iv12_len;
} suites[SUITE_COUNT] = {
	[SUITE_AES_128_GCM] = {HASH_SHA256, 16, 4},
	[SUITE_AES_256_GCM] = {HASH_SHA384, 32, 4},
	[SUITE_CHACHA20_POLY1305] = {HASH_SHA256, 32, 12},
};
static const uint8_t hash_len[HASH_COUNT] = {32, 48};

#define IV13_LEN 12

/* --- HMAC, the one primitive that all derivations are made of ------------------------------------
 */

struct piece {
	const void *bytes;
	size_t len;
};

static EVP_MAC_CTX *new_hmac(EVP_MAC *mac, const char *digest)
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)digest, 0),
		OSSL_PARAM_construct_end(),
	};

	if (ctx && EVP_MAC_CTX_set_params(ctx, params) == 1)
		return ctx;
	EVP_MAC_CTX_free(ctx);
	return NULL;
}

struct keys_kit *keys_kit_new(void)
{
	struct keys_kit *kit = calloc(1, sizeof(*kit));
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	if (kit && mac) {
		kit->hmac[HASH_SHA256] = new_hmac(mac, "SHA256");
		kit->hmac[HASH_SHA384] = new_hmac(mac, "SHA384");
	}
	EVP_MAC_free(mac); /* the contexts hold it */
	if (kit && kit->hmac[HASH_SHA256] && kit->hmac[HASH_SHA384])
		return kit;
	keys_kit_free(kit);
	return NULL;
}

void keys_kit_free(struct keys_kit *kit)
{
	if (!kit)
		return;
	for (int i = 0; i < HASH_COUNT; i++)
		EVP_MAC_CTX_free(kit->hmac[i]);
	free(kit);
}

static bool set_key(EVP_MAC_CTX *hmac, const uint8_t *key, size_t len)
{
	return EVP_MAC_init(hmac, key, len, NULL) == 1;
}

/* The contexts outlive the connection: its key must not stay in them. */
static void forget_key(EVP_MAC_CTX *hmac)
{
	static const uint8_t nothing[32];

	set_key(hmac, nothing, sizeof(nothing));
}

/* HMAC of the pieces under the key that set_key() gave; out has the hash's length. */
static bool hmac_of(EVP_MAC_CTX *hmac, const struct piece *pieces, size_t n, uint8_t *out)
{
	size_t len;

	if (EVP_MAC_init(hmac, NULL, 0, NULL) != 1)
		return false;
	for (size_t i = 0; i < n; i++)
		if (EVP_MAC_update(hmac, pieces[i].bytes, pieces[i].len) != 1)
			return false;
	return EVP_MAC_final(hmac, out, &len, KEYS_SECRET_MAX) == 1;
}

/* --- TLS 1.3 -------------------------------------------------------------------------------------
 */

/*
 * HKDF-Expand-Label (RFC 8446 section 7.1) with an empty context and len up to the hash's length,
 * so that HKDF-Expand is its first block alone.
 */
static bool expand_label(EVP_MAC_CTX *hmac, const char *label, uint8_t *out, size_t len)
{
	const size_t label_len = strlen(label);
	const uint8_t head[] = {0, (uint8_t)len, (uint8_t)(6 + label_len)};
	const uint8_t tail[] = {0, 1};
	const struct piece info[] = {
		{head, sizeof(head)}, {"tls13 ", 6}, {label, label_len}, {tail, sizeof(tail)}};
	uint8_t block[KEYS_SECRET_MAX];
	bool ok = hmac_of(hmac, info, 4, block);

	if (ok)
		memcpy(out, block, len);
	OPENSSL_cleanse(block, sizeof(block));
	return ok;
}

/* A direction's keys from its traffic secret (RFC 8446 section 7.3). */
static bool fill_from_secret(EVP_MAC_CTX *hmac, enum tls_suite suite, const uint8_t *secret,
			     size_t len, uint64_t seq, union ktls_crypto *out)
{
	uint8_t key[32], iv[IV13_LEN];
	bool ok = set_key(hmac, secret, len) &&
		  expand_label(hmac, "key", key, suites[suite].key_len) &&
		  expand_label(hmac, "iv", iv, sizeof(iv));

	if (ok)
		ktls_fill(out, VERSION_TLS13, suite, key, iv, seq);
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(iv, sizeof(iv));
	return ok;
}

static bool derive_tls13(EVP_MAC_CTX *hmac, const struct keys_watch *w, enum tls_suite suite,
			 union ktls_crypto *tx, union ktls_crypto *rx)
{
	const struct keys_traffic *t = &w->traffic;

	return t->len == hash_len[suites[suite].hash] &&
	       fill_from_secret(hmac, suite, t->server, t->len, w->tx_seq, tx) &&
	       fill_from_secret(hmac, suite, t->client, t->len, w->rx_seq, rx);
}

int keys_next(struct keys_kit *kit, enum tls_suite suite, uint8_t *secret, size_t len,
	      union ktls_crypto *out)
{
	EVP_MAC_CTX *hmac = kit->hmac[suites[suite].hash];
	uint8_t next[KEYS_SECRET_MAX];
	bool ok = len == hash_len[suites[suite].hash] && set_key(hmac, secret, len) &&
		  expand_label(hmac, "traffic upd", next, len) &&
		  fill_from_secret(hmac, suite, next, len, 0, out);

	if (ok)
		memcpy(secret, next, len);
	else
		OPENSSL_cleanse(out, sizeof(*out));
	OPENSSL_cleanse(next, sizeof(next));
	forget_key(hmac);
	return ok ? 0 : -EIO;
}

/* --- TLS 1.2 -------------------------------------------------------------------------------------
 */

/* P_hash (RFC 5246 section 5) of "key expansion" and the seed, under the key that is set. */
static bool prf(EVP_MAC_CTX *hmac, size_t hash_bytes, const uint8_t *seed, size_t seed_len,
		uint8_t *out, size_t len)
{
	uint8_t a[KEYS_SECRET_MAX], block[KEYS_SECRET_MAX];
	const struct piece label = {"key expansion", 13};
	const struct piece first[] = {label, {seed, seed_len}}, next[] = {{a, hash_bytes}};
	const struct piece whole[] = {{a, hash_bytes}, label, {seed, seed_len}};
	bool ok = hmac_of(hmac, first, 2, a);

	for (size_t at = 0; ok && at < len; at += hash_bytes) {
		ok = hmac_of(hmac, whole, 3, block);
		if (ok)
			memcpy(out + at, block, len - at < hash_bytes ? len - at : hash_bytes);
		ok = ok && hmac_of(hmac, next, 1, a);
	}
	OPENSSL_cleanse(a, sizeof(a));
	OPENSSL_cleanse(block, sizeof(block));
	return ok;
}

/* The key block (RFC 5246 section 6.3): client key, server key, client iv, server iv. */
static bool derive_tls12(EVP_MAC_CTX *hmac, const SSL *ssl, const struct keys_watch *w,
			 enum tls_suite suite, union ktls_crypto *tx, union ktls_crypto *rx)
{
	const size_t key_len = suites[suite].key_len, iv_len = suites[suite].iv12_len;
	uint8_t master[SSL_MAX_MASTER_KEY_LENGTH], seed[64], block[2 * (32 + 12)], iv[12] = {0};
	size_t master_len;
	bool ok;

	master_len = SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master));
	ok = SSL_get_server_random(ssl, seed, 32) == 32 &&
	     SSL_get_client_random(ssl, seed + 32, 32) == 32 && master_len &&
	     set_key(hmac, master, master_len) &&
	     prf(hmac, hash_len[suites[suite].hash], seed, sizeof(seed), block,
		 2 * (key_len + iv_len));
	if (ok) {
		memcpy(iv, block + 2 * key_len, iv_len);
		ktls_fill(rx, VERSION_TLS12, suite, block, iv, w->rx_seq);
		memcpy(iv, block + 2 * key_len + iv_len, iv_len);
		ktls_fill(tx, VERSION_TLS12, suite, block + key_len, iv, w->tx_seq);
	}
	OPENSSL_cleanse(master, sizeof(master));
	OPENSSL_cleanse(block, sizeof(block));
	OPENSSL_cleanse(iv, sizeof(iv));
	return ok;
}

/* --- both ----------------------------------------------------------------------------------------
 */

int keys_suite(const SSL *ssl, enum tls_version *version, enum tls_suite *suite)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);

	switch (SSL_version(ssl)) {
	case TLS1_2_VERSION:
		*version = VERSION_TLS12;
		break;
	case TLS1_3_VERSION:
		*version = VERSION_TLS13;
		break;
	default:
		return -EPROTONOSUPPORT;
	}
	switch (cipher ? SSL_CIPHER_get_cipher_nid(cipher) : NID_undef) {
	case NID_aes_128_gcm:
		*suite = SUITE_AES_128_GCM;
		return 0;
	case NID_aes_256_gcm:
		*suite = SUITE_AES_256_GCM;
		return 0;
	case NID_chacha20_poly1305:
		*suite = SUITE_CHACHA20_POLY1305;
		return 0;
	default:
		return -EPROTONOSUPPORT;
	}
}

int keys_derive(struct keys_kit *kit, const SSL *ssl, const struct keys_watch *w,
		union ktls_crypto *tx, union ktls_crypto *rx)
{
	enum tls_version version;
	enum tls_suite suite;
	EVP_MAC_CTX *hmac;
	bool ok;
	int r;

	r = keys_suite(ssl, &version, &suite);
	if (r)
		return r;
	hmac = kit->hmac[suites[suite].hash];
	ok = version == VERSION_TLS13 ? derive_tls13(hmac, w, suite, tx, rx)
				      : derive_tls12(hmac, ssl, w, suite, tx, rx);
	forget_key(hmac);
	if (ok)
		return 0;
	OPENSSL_cleanse(tx, sizeof(*tx));
	OPENSSL_cleanse(rx, sizeof(*rx));
	return -EIO;
}

void keys_wipe(struct keys_watch *w)
{
	OPENSSL_cleanse(w, sizeof(*w));
}
