/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys for the hand-off. See keys.h. keys_tap.c sees them. */
#include "tls/keys.h"

#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>

#define IV13_LEN 12

static const struct {
	const char *digest;
	uint8_t secret_len, key_len, iv12_len;
} suites[SUITE_COUNT] = {
	[SUITE_AES_128_GCM] = {"SHA256", 32, 16, 4},
	[SUITE_AES_256_GCM] = {"SHA384", 48, 32, 4},
	[SUITE_CHACHA20_POLY1305] = {"SHA256", 32, 32, 12},
};

/* --- watching --------------------------------------------------------------------------------- */

/*
 * In both directions OpenSSL shows the header of a record before the message that it carries. So
 * the record of Finished has been counted when Finished is seen.
 */
static void on_message(int write, int version, int type, const void *buf, size_t len, SSL *ssl,
		       void *arg)
{
	struct keys_watch *w = arg;
	uint64_t *seq = write ? &w->tx_seq : &w->rx_seq;
	const uint8_t first = len ? *(const uint8_t *)buf : 0;

	(void)version;
	if (!len)
		return;
	if (type == SSL3_RT_HEADER)
		*seq = first == SSL3_RT_CHANGE_CIPHER_SPEC ? 0 : *seq + 1;
	else if (type == SSL3_RT_HANDSHAKE && first == SSL3_MT_FINISHED &&
		 SSL_version(ssl) == TLS1_3_VERSION)
		*seq = 0;
}

void keys_watch(SSL *ssl, struct keys_watch *w)
{
	SSL_set_msg_callback(ssl, on_message);
	SSL_set_msg_callback_arg(ssl, w);
}

void keys_wipe(struct keys_watch *w)
{
	OPENSSL_cleanse(w, sizeof(*w));
}

/* --- after the handshake ---------------------------------------------------------------------- */

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

static bool complete(const struct keys_direction *d, enum tls_suite suite)
{
	return d->key_len == suites[suite].key_len && d->iv_len == IV13_LEN;
}

static int derive_tls13(const struct keys_watch *w, enum tls_suite suite, union ktls_crypto *tx,
			union ktls_crypto *rx)
{
	if (w->traffic.len != suites[suite].secret_len || !complete(&w->client, suite) ||
	    !complete(&w->server, suite))
		return -ENOKEY;
	ktls_fill(tx, VERSION_TLS13, suite, w->server.key, w->server.iv, w->tx_seq);
	ktls_fill(rx, VERSION_TLS13, suite, w->client.key, w->client.iv, w->rx_seq);
	return 0;
}

/* The order in the block: client key, server key, client IV, server IV. AEADs have no MAC keys. */
static int derive_tls12(const struct keys_watch *w, enum tls_suite suite, union ktls_crypto *tx,
			union ktls_crypto *rx)
{
	const size_t key_len = suites[suite].key_len, iv_len = suites[suite].iv12_len;
	const uint8_t *ivs = w->block + 2 * key_len;
	uint8_t iv[12] = {0};

	if (w->block_len < 2 * (key_len + iv_len))
		return -ENOKEY;
	memcpy(iv, ivs, iv_len);
	ktls_fill(rx, VERSION_TLS12, suite, w->block, iv, w->rx_seq);
	memcpy(iv, ivs + iv_len, iv_len);
	ktls_fill(tx, VERSION_TLS12, suite, w->block + key_len, iv, w->tx_seq);
	OPENSSL_cleanse(iv, sizeof(iv));
	return 0;
}

int keys_derive(const SSL *ssl, const struct keys_watch *w, union ktls_crypto *tx,
		union ktls_crypto *rx)
{
	enum tls_version version;
	enum tls_suite suite;
	int r;

	OPENSSL_cleanse(tx, sizeof(*tx));
	OPENSSL_cleanse(rx, sizeof(*rx));
	r = keys_suite(ssl, &version, &suite);
	if (r)
		return r;
	return version == VERSION_TLS13 ? derive_tls13(w, suite, tx, rx)
					: derive_tls12(w, suite, tx, rx);
}

/* --- later ------------------------------------------------------------------------------------ */

/* HKDF-Expand-Label (RFC 8446 section 7.1) with an empty context. */
static bool expand_label(EVP_KDF_CTX *kdf, const char *digest, const uint8_t *secret,
			 size_t secret_len, const char *label, uint8_t *out, size_t len)
{
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)digest, 0),
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, secret_len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, "tls13 ", 6),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, (void *)label,
						  strlen(label)),
		OSSL_PARAM_construct_end(),
	};

	return EVP_KDF_derive(kdf, out, len, params) == 1;
}

int keys_next(enum tls_suite suite, uint8_t *secret, size_t len, union ktls_crypto *out)
{
	const char *digest = suites[suite].digest;
	uint8_t next[KEYS_SECRET_MAX], key[32], iv[IV13_LEN];
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_3_KDF, NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool ok;

	ok = ctx && len == suites[suite].secret_len &&
	     expand_label(ctx, digest, secret, len, "traffic upd", next, len) &&
	     expand_label(ctx, digest, next, len, "key", key, suites[suite].key_len) &&
	     expand_label(ctx, digest, next, len, "iv", iv, sizeof(iv));
	if (ok) {
		ktls_fill(out, VERSION_TLS13, suite, key, iv, 0);
		memcpy(secret, next, len);
	}
	EVP_KDF_CTX_free(ctx); /* wipes its copy */
	EVP_KDF_free(kdf);
	OPENSSL_cleanse(next, sizeof(next));
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(iv, sizeof(iv));
	return ok ? 0 : -EIO;
}
