/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: one direction of a TLS connection, as it is while idle: some 70 bytes. To seal or open
 * records it needs a context of OpenSSL, which has the key prepared (aead_pool.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tls/ktls.h"

/* It must stay where it is in memory while it has a context of the pool. */
struct aead_key {
	uint64_t seq; /* number of the next record */
	uint8_t key[32], iv[12];
	uint8_t suite; /* enum tls_suite */
	bool tls13, seals;
	uint8_t lends;    /* of contexts, as far as the pool counts */
	uint16_t context; /* of the pool, if that one is still ours */
};

/*
 * From the struct that the kernel takes. `seals`: for sending. The caller wipes `from`, and *k with
 * aead_pool_wipe().
 */
void aead_key_set(struct aead_key *k, const union ktls_crypto *from, bool seals);

/* Is a part of the nonce in each record? It is for AES-GCM in TLS 1.2. */
static inline bool aead_key_sends_nonce(const struct aead_key *k)
{
	return !k->tls13 && k->suite != SUITE_CHACHA20_POLY1305;
}
