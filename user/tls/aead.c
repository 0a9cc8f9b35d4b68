/* SPDX-License-Identifier: BSD-2-Clause */
/* Seals and opens TLS records. See aead.h. */
#include "tls/aead.h"

#include <assert.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#define NONCE_LEN    12
#define EXPLICIT_LEN 8 /* the part of a nonce that is sent: AES-GCM in TLS 1.2 */
#define AAD_MAX      13

static void put_be64(uint8_t *out, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		out[i] = (uint8_t)v;
}

/* As a parameter: EVP_CIPHER_CTX_ctrl() finds it by name several times. */
static OSSL_PARAM tag_param(uint8_t *tag)
{
	return (OSSL_PARAM){OSSL_CIPHER_PARAM_AEAD_TAG, OSSL_PARAM_OCTET_STRING, tag, AEAD_TAG_LEN,
			    OSSL_PARAM_UNMODIFIED};
}

/* --- nonce and additional data ---------------------------------------------------------------- */

/* explicit_part: as it is in the record; otherwise not used. */
static void make_nonce(const struct aead_key *k, const uint8_t *explicit_part, uint8_t *nonce)
{
	uint8_t seq[8];

	memcpy(nonce, k->iv, NONCE_LEN);
	if (aead_key_sends_nonce(k)) {
		memcpy(nonce + 4, explicit_part, EXPLICIT_LEN);
		return;
	}
	put_be64(seq, k->seq);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] ^= seq[i];
}

/* Returns its length. `content_len`: for TLS 1.2, where the header has another one. */
static int make_aad(const struct aead_key *k, const uint8_t *header, size_t content_len,
		    uint8_t *aad)
{
	if (k->tls13) {
		memcpy(aad, header, AEAD_HEADER_LEN);
		return AEAD_HEADER_LEN;
	}
	put_be64(aad, k->seq);
	memcpy(aad + 8, header, 3);
	aad[11] = (uint8_t)(content_len >> 8);
	aad[12] = (uint8_t)content_len;
	return AAD_MAX;
}

/*
 * A context that has the nonce and the additional data of a record, and, to open it, its tag in
 * params. NULL when out of memory.
 */
static EVP_CIPHER_CTX *begin(struct aead_key *k, struct aead_pool *pool, const uint8_t *header,
			     size_t content_len, const OSSL_PARAM *params)
{
	EVP_CIPHER_CTX *ctx = aead_pool_lend(pool, k);
	uint8_t nonce[NONCE_LEN], aad[AAD_MAX];
	int aad_len, len;

	if (!ctx)
		return NULL;
	make_nonce(k, header + AEAD_HEADER_LEN, nonce);
	aad_len = make_aad(k, header, content_len, aad);
	return EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, k->seals, params) == 1 &&
			       EVP_CipherUpdate(ctx, NULL, &len, aad, aad_len) == 1
		       ? ctx
		       : NULL;
}

/* --- opening ---------------------------------------------------------------------------------- */

ssize_t aead_record_len(const struct aead_key *k, const uint8_t *header)
{
	const size_t len = (size_t)(header[3] << 8 | header[4]);
	const size_t overhead = AEAD_TAG_LEN + (aead_key_sends_nonce(k) ? EXPLICIT_LEN : 0);

	const bool clear = k->tls13 && header[0] != TLS_CONTENT_DATA;

	/* In the kernel's order (tls_rx_msg_size() of net/tls/tls_sw.c). */
	if (len > AEAD_CONTENT_MAX + (k->tls13 ? 256 : overhead))
		return -AEAD_OVERSIZE;
	if (len < overhead)
		return clear ? -AEAD_CLEAR : -AEAD_SHORT;
	if (header[1] != 3 || header[2] != 3)
		return -AEAD_VERSION;
	if (clear)
		return -AEAD_CLEAR;
	return (ssize_t)(AEAD_HEADER_LEN + len);
}

/* TLS 1.3: content, type, zeros. Returns the bytes of content, or -enum aead_fault. */
static ssize_t strip_padding(const uint8_t *inner, size_t n, uint8_t *type)
{
	if (n > AEAD_CONTENT_MAX + 1)
		return -AEAD_OVERSIZE;
	while (n && !inner[n - 1])
		n--;
	if (!n)
		return -AEAD_TYPELESS;
	*type = inner[n - 1];
	return (ssize_t)(n - 1);
}

static bool decrypt(EVP_CIPHER_CTX *ctx, const uint8_t *from, size_t n, uint8_t *out)
{
	int len;

	return (!n || EVP_CipherUpdate(ctx, out, &len, from, (int)n) == 1) &&
	       EVP_CipherFinal_ex(ctx, out, &len) == 1;
}

ssize_t aead_open(struct aead_key *k, struct aead_pool *pool, const uint8_t *record, size_t len,
		  uint8_t *out, uint8_t *type)
{
	const size_t n = aead_room(k, len);
	uint8_t tag[AEAD_TAG_LEN];
	const OSSL_PARAM params[] = {tag_param(tag), OSSL_PARAM_END};
	ssize_t content = (ssize_t)n;
	EVP_CIPHER_CTX *ctx;

	memcpy(tag, record + len - AEAD_TAG_LEN, sizeof(tag));
	ctx = begin(k, pool, record, n, params);
	if (!ctx) {
		ERR_clear_error();
		return -AEAD_NO_MEMORY;
	}
	k->seq++;
	if (!decrypt(ctx, record + len - AEAD_TAG_LEN - n, n, out))
		content = -AEAD_FORGED;
	else if (k->tls13)
		content = strip_padding(out, n, type);
	else
		*type = record[0];
	if (content < 0) {
		ERR_clear_error();
		OPENSSL_cleanse(out, n);
	}
	return content;
}

/* --- sealing ---------------------------------------------------------------------------------- */

static bool encrypt(EVP_CIPHER_CTX *ctx, const uint8_t *bytes, size_t n, const uint8_t *type,
		    uint8_t *out)
{
	OSSL_PARAM params[] = {{0}, OSSL_PARAM_END};
	int len;

	if (n && EVP_CipherUpdate(ctx, out, &len, bytes, (int)n) != 1)
		return false;
	if (type && EVP_CipherUpdate(ctx, out + n++, &len, type, 1) != 1)
		return false;
	params[0] = tag_param(out + n);
	return EVP_CipherFinal_ex(ctx, out + n, &len) == 1 &&
	       EVP_CIPHER_CTX_get_params(ctx, params) == 1;
}

ssize_t aead_seal(struct aead_key *k, struct aead_pool *pool, uint8_t type, const uint8_t *bytes,
		  size_t n, uint8_t *out)
{
	const size_t nonce_len = aead_key_sends_nonce(k) ? EXPLICIT_LEN : 0;
	const size_t len = nonce_len + n + k->tls13 + AEAD_TAG_LEN;
	EVP_CIPHER_CTX *ctx;

	assert(n <= AEAD_CONTENT_MAX);
	out[0] = k->tls13 ? TLS_CONTENT_DATA : type;
	out[1] = out[2] = 3;
	out[3] = (uint8_t)(len >> 8);
	out[4] = (uint8_t)len;
	/* It must never repeat under one key (RFC 5288 section 3), so it counts records. */
	if (nonce_len)
		put_be64(out + AEAD_HEADER_LEN, k->seq);
	ctx = begin(k, pool, out, n, NULL);
	if (!ctx ||
	    !encrypt(ctx, bytes, n, k->tls13 ? &type : NULL, out + AEAD_HEADER_LEN + nonce_len)) {
		ERR_clear_error();
		return -AEAD_NO_MEMORY;
	}
	k->seq++;
	return (ssize_t)(AEAD_HEADER_LEN + len);
}
