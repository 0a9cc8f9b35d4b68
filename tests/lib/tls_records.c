/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls_records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#define TAG_LEN 16

struct parts {
	const EVP_CIPHER *cipher;
	const uint8_t *key;
	uint8_t iv[12]; /* GCM in TLS 1.2: the first four are fixed, the rest comes with the record
			 */
	uint8_t *seq;   /* big-endian, in the struct */
	bool tls13, explicit_nonce;
};

static void take_apart(union ktls_crypto *k, struct parts *p)
{
	p->tls13 = k->info.version == TLS_1_3_VERSION;
	p->explicit_nonce = !p->tls13 && k->info.cipher_type != TLS_CIPHER_CHACHA20_POLY1305;
	switch (k->info.cipher_type) {
	case TLS_CIPHER_AES_GCM_128:
		p->cipher = EVP_aes_128_gcm();
		p->key = k->aes128.key;
		memcpy(p->iv, k->aes128.salt, 4);
		memcpy(p->iv + 4, k->aes128.iv, 8);
		p->seq = k->aes128.rec_seq;
		return;
	case TLS_CIPHER_AES_GCM_256:
		p->cipher = EVP_aes_256_gcm();
		p->key = k->aes256.key;
		memcpy(p->iv, k->aes256.salt, 4);
		memcpy(p->iv + 4, k->aes256.iv, 8);
		p->seq = k->aes256.rec_seq;
		return;
	default:
		p->cipher = EVP_chacha20_poly1305();
		p->key = k->chacha.key;
		memcpy(p->iv, k->chacha.iv, 12);
		p->seq = k->chacha.rec_seq;
	}
}

static void make_nonce(const struct parts *p, const uint8_t explicit_part[8], uint8_t nonce[12])
{
	memcpy(nonce, p->iv, 12);
	if (p->explicit_nonce)
		memcpy(nonce + 4, explicit_part, 8);
	else
		for (int i = 0; i < 8; i++)
			nonce[4 + i] ^= p->seq[i];
}

static size_t make_aad(const struct parts *p, const uint8_t header[5], size_t plain_len,
		       uint8_t aad[13])
{
	if (p->tls13) {
		memcpy(aad, header, 5);
		return 5;
	}
	memcpy(aad, p->seq, 8);
	memcpy(aad + 8, header, 3);
	aad[11] = (uint8_t)(plain_len >> 8);
	aad[12] = (uint8_t)plain_len;
	return 13;
}

/* GCM of TLS 1.2: the iv of the struct is the first explicit nonce, and is counted up. */
static void count_up(union ktls_crypto *k, const struct parts *p)
{
	uint8_t *iv = k->info.cipher_type == TLS_CIPHER_AES_GCM_128 ? k->aes128.iv : k->aes256.iv;

	for (int i = 7; i >= 0 && !++p->seq[i]; i--)
		;
	for (int i = 7; p->explicit_nonce && i >= 0 && !++iv[i]; i--)
		;
}

static int crypt(const struct parts *p, bool seal, const uint8_t *nonce, const uint8_t *aad,
		 size_t aad_len, const uint8_t *in, size_t n, uint8_t *out, uint8_t *tag)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int len, ok;

	ok = EVP_CipherInit_ex(c, p->cipher, NULL, p->key, nonce, seal) &&
	     EVP_CipherUpdate(c, NULL, &len, aad, (int)aad_len) &&
	     EVP_CipherUpdate(c, out, &len, in, (int)n) &&
	     (seal || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag)) &&
	     EVP_CipherFinal_ex(c, out + len, &len) &&
	     (!seal || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, tag));
	EVP_CIPHER_CTX_free(c);
	return ok;
}

int record_open(union ktls_crypto *keys, const uint8_t *rec, size_t len, uint8_t *out,
		uint8_t *type)
{
	struct parts p;
	uint8_t nonce[12], aad[13], tag[TAG_LEN];
	size_t skip, n, aad_len;

	take_apart(keys, &p);
	skip = 5 + (p.explicit_nonce ? 8 : 0);
	if (len < skip + TAG_LEN || (size_t)(rec[3] << 8 | rec[4]) != len - 5)
		return -1;
	n = len - skip - TAG_LEN;
	make_nonce(&p, rec + 5, nonce);
	aad_len = make_aad(&p, rec, n, aad);
	memcpy(tag, rec + len - TAG_LEN, TAG_LEN);
	if (!crypt(&p, false, nonce, aad, aad_len, rec + skip, n, out, tag))
		return -1;
	count_up(keys, &p);
	*type = rec[0];
	if (!p.tls13)
		return (int)n;
	while (n && !out[n - 1])
		n--; /* padding */
	*type = n ? out[n - 1] : 0;
	return (int)n - 1;
}

int record_seal(union ktls_crypto *keys, uint8_t type, const void *bytes, size_t n, uint8_t *out)
{
	uint8_t plain[RECORD_BYTES_MAX], nonce[12], aad[13];
	size_t skip, body, aad_len;
	struct parts p;

	take_apart(keys, &p);
	skip = 5 + (p.explicit_nonce ? 8 : 0);
	memcpy(plain, bytes, n);
	if (p.tls13)
		plain[n++] = type;
	body = skip - 5 + n + TAG_LEN;
	memcpy(out, (uint8_t[]){p.tls13 ? 23 : type, 3, 3, (uint8_t)(body >> 8), (uint8_t)body}, 5);
	if (p.explicit_nonce)
		memcpy(out + 5, p.iv + 4, 8);
	make_nonce(&p, out + 5, nonce);
	aad_len = make_aad(&p, out, n, aad);
	if (!crypt(&p, true, nonce, aad, aad_len, plain, n, out + skip, out + skip + n))
		abort();
	count_up(keys, &p);
	return (int)(5 + body);
}
