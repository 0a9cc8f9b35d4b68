/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is a record that the kernel refused authentic? The kernel says -EBADMSG for a wrong MAC and for a
 * TLS 1.3 record without a type. The alerts differ (RFC 8446 sections 5.2 and 5.4).
 */
#include "tls/record_open.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define HEADER_LEN 5
#define TAG_LEN    16

static const EVP_CIPHER *cipher_of(const union ktls_crypto *c, const uint8_t **key, uint8_t iv[12],
				   const uint8_t **seq)
{
	switch (c->info.cipher_type) {
	case TLS_CIPHER_AES_GCM_128:
		memcpy(iv, c->aes128.salt, 4);
		memcpy(iv + 4, c->aes128.iv, 8);
		*key = c->aes128.key;
		*seq = c->aes128.rec_seq;
		return EVP_aes_128_gcm();
	case TLS_CIPHER_AES_GCM_256:
		memcpy(iv, c->aes256.salt, 4);
		memcpy(iv + 4, c->aes256.iv, 8);
		*key = c->aes256.key;
		*seq = c->aes256.rec_seq;
		return EVP_aes_256_gcm();
	default:
		memcpy(iv, c->chacha.iv, 12);
		*key = c->chacha.key;
		*seq = c->chacha.rec_seq;
		return EVP_chacha20_poly1305();
	}
}

bool record_authentic(const union ktls_crypto *keys, uint8_t *record, size_t n)
{
	uint8_t *body = record + HEADER_LEN, nonce[12];
	const uint8_t *key, *seq;
	const EVP_CIPHER *cipher = cipher_of(keys, &key, nonce, &seq);
	size_t len = n < HEADER_LEN ? 0 : (size_t)(record[3] << 8 | record[4]);
	EVP_CIPHER_CTX *c;
	int out;
	bool ok;

	if (len < TAG_LEN || n < HEADER_LEN + len)
		return false;
	for (int i = 0; i < 8; i++)
		nonce[4 + i] ^= seq[i];
	len -= TAG_LEN;
	c = EVP_CIPHER_CTX_new();
	ok = c && EVP_DecryptInit_ex(c, cipher, NULL, key, nonce) == 1 &&
	     EVP_DecryptUpdate(c, NULL, &out, record, HEADER_LEN) == 1 &&
	     EVP_DecryptUpdate(c, body, &out, body, (int)len) == 1 &&
	     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, body + len) == 1 &&
	     EVP_DecryptFinal_ex(c, body + len, &out) == 1;
	EVP_CIPHER_CTX_free(c);
	OPENSSL_cleanse(nonce, sizeof(nonce));
	return ok;
}
