/* SPDX-License-Identifier: BSD-2-Clause */
/* From the kernel's struct to ours. See aead_key.h. */
#include "tls/aead_key.h"

#include <string.h>

static uint64_t get_be64(const uint8_t *in)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | in[i];
	return v;
}

static void take(struct aead_key *k, const uint8_t *key, size_t key_len, const uint8_t *seq)
{
	memcpy(k->key, key, key_len);
	k->seq = get_be64(seq);
}

void aead_key_set(struct aead_key *k, const union ktls_crypto *from, bool seals)
{
	*k = (struct aead_key){.tls13 = from->info.version == TLS_1_3_VERSION, .seals = seals};
	switch (from->info.cipher_type) {
	case TLS_CIPHER_AES_GCM_128:
		k->suite = SUITE_AES_128_GCM;
		memcpy(k->iv, from->aes128.salt, 4);
		memcpy(k->iv + 4, from->aes128.iv, 8);
		take(k, from->aes128.key, sizeof(from->aes128.key), from->aes128.rec_seq);
		return;
	case TLS_CIPHER_AES_GCM_256:
		k->suite = SUITE_AES_256_GCM;
		memcpy(k->iv, from->aes256.salt, 4);
		memcpy(k->iv + 4, from->aes256.iv, 8);
		take(k, from->aes256.key, sizeof(from->aes256.key), from->aes256.rec_seq);
		return;
	default:
		k->suite = SUITE_CHACHA20_POLY1305;
		memcpy(k->iv, from->chacha.iv, sizeof(k->iv));
		take(k, from->chacha.key, sizeof(from->chacha.key), from->chacha.rec_seq);
		return;
	}
}
