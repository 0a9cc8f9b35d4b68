/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the contexts of OpenSSL that a worker lends to its TLS records. One has a key prepared
 * for use and takes about a kilobyte, so not each idle connection has two. A direction asks for
 * its context at each record. If another one has taken it, the key is prepared again, which costs
 * some 1,500 instructions. The first records of all directions share two contexts, so a
 * connection that had one request and is idle keeps none.
 */
#pragma once

#include <openssl/evp.h>

#include "tls/aead_key.h"

/* Two for each connection that is busy. */
#define AEAD_CONTEXTS  256
/* From this record on a direction has a context of its own. */
#define AEAD_OWN_SINCE 5

struct aead_pool;

/* NULL when out of memory. */
struct aead_pool *aead_pool_new(void);

/* Frees and wipes all contexts. NULL is fine. */
void aead_pool_free(struct aead_pool *pool);

/* The context of `k`, with its key and without a nonce. NULL when out of memory. */
EVP_CIPHER_CTX *aead_pool_lend(struct aead_pool *pool, struct aead_key *k);

/* The end of `k`: its context, if it has one, is wiped and free for others, and it is wiped too. */
void aead_pool_wipe(struct aead_pool *pool, struct aead_key *k);
