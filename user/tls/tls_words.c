/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/tls_words.h"

#include <stdio.h>
#include <string.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tls/tls_types.h"

/* A word that does not fit is left out: half of one would be wrong. */
static void put(char *buf, size_t size, const char *word)
{
	const int n = snprintf(buf, size, "%s", word ? word : "");

	if (n < 0 || (size_t)n >= size)
		buf[0] = '\0';
}

/* HAProxy's names for them. */
static void put_key(char *buf, size_t size, X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	const int kind = key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;

	if (kind == EVP_PKEY_RSA || kind == EVP_PKEY_EC)
		snprintf(buf, size, "%s%d", kind == EVP_PKEY_RSA ? "RSA" : "EC",
			 EVP_PKEY_get_bits(key));
	else if (kind != EVP_PKEY_NONE)
		put(buf, size, OBJ_nid2sn(kind));
}

static void put_cert(struct tls_words *w, const SSL *ssl)
{
	X509 *cert = SSL_session_reused(ssl) ? NULL : SSL_get_certificate(ssl);

	if (!cert)
		return;
	put(w->sig_alg, sizeof(w->sig_alg), OBJ_nid2sn(X509_get_signature_nid(cert)));
	put_key(w->key_alg, sizeof(w->key_alg), cert);
}

void tls_words(const struct tls_conn *c, struct tls_words *out)
{
	const unsigned char *alpn = NULL;
	unsigned int alpn_len = 0;

	*out = (struct tls_words){0};
	put(out->version, sizeof(out->version), SSL_get_version(c->ssl));
	put(out->cipher, sizeof(out->cipher), SSL_get_cipher_name(c->ssl));
	put_cert(out, c->ssl);
	put(out->sni, sizeof(out->sni), c->sni);
	SSL_get0_alpn_selected(c->ssl, &alpn, &alpn_len);
	if (!alpn_len || alpn_len > sizeof(out->alpn))
		return;
	memcpy(out->alpn, alpn, alpn_len);
	out->alpn_len = (uint8_t)alpn_len;
}
