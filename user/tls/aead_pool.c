/* SPDX-License-Identifier: BSD-2-Clause */
/* Contexts lent to directions. See aead_pool.h. */
#include "tls/aead_pool.h"

#include <stdlib.h>

#include <openssl/crypto.h>

#include "base/cleanup.h"

struct context {
	EVP_CIPHER_CTX *ctx;          /* NULL: not made yet, or wiped */
	const struct aead_key *owner; /* NULL: nobody */
	bool used;                    /* since the hand passed */
};

struct aead_pool {
	EVP_CIPHER *ciphers[SUITE_COUNT];
	unsigned hand;                              /* the next one that may be taken away */
	struct context contexts[AEAD_CONTEXTS + 2]; /* behind: for first records opened, sealed */
};

static const char *const names[SUITE_COUNT] = {
	[SUITE_AES_128_GCM] = "AES-128-GCM",
	[SUITE_AES_256_GCM] = "AES-256-GCM",
	[SUITE_CHACHA20_POLY1305] = "ChaCha20-Poly1305",
};

struct aead_pool *aead_pool_new(void)
{
	struct aead_pool *p = calloc(1, sizeof(*p));

	for (int i = 0; p && i < SUITE_COUNT; i++) {
		p->ciphers[i] = EVP_CIPHER_fetch(NULL, names[i], NULL);
		if (!p->ciphers[i]) {
			aead_pool_free(p);
			return NULL;
		}
	}
	return p;
}

void aead_pool_free(struct aead_pool *p)
{
	if (!p)
		return;
	for (int i = 0; i < AEAD_CONTEXTS + 2; i++)
		EVP_CIPHER_CTX_free(p->contexts[i].ctx); /* wipes it */
	for (int i = 0; i < SUITE_COUNT; i++)
		EVP_CIPHER_free(p->ciphers[i]);
	free(p);
}

/*
 * One that nobody has, or else one that was not used lately: the hand goes round, and one that it
 * passes twice without a use in between is taken (the clock algorithm).
 */
static unsigned choose(struct aead_pool *p)
{
	unsigned at;

	do {
		at = p->hand;
		p->hand = (at + 1) % AEAD_CONTEXTS;
		if (!p->contexts[at].owner || !p->contexts[at].used)
			return at;
		p->contexts[at].used = false;
	} while (true);
}

static EVP_CIPHER_CTX *prepare(struct aead_pool *p, struct aead_key *k)
{
	const bool is_new = k->lends < AEAD_OWN_SINCE;
	const unsigned at = is_new ? AEAD_CONTEXTS + (unsigned)k->seals : choose(p);
	struct context *c = &p->contexts[at];

	c->owner = NULL;
	if (!c->ctx)
		c->ctx = EVP_CIPHER_CTX_new();
	if (!c->ctx ||
	    EVP_CipherInit_ex2(c->ctx, p->ciphers[k->suite], k->key, NULL, k->seals, NULL) != 1) {
		EVP_CIPHER_CTX_free(take_ptr(c->ctx));
		return NULL;
	}
	c->owner = k;
	c->used = true;
	k->context = (uint16_t)at;
	return c->ctx;
}

/* The end of a key in its context, if it still has one. */
static void give_back(struct aead_pool *p, const struct aead_key *k)
{
	struct context *c = &p->contexts[k->context];

	if (c->owner != k)
		return;
	EVP_CIPHER_CTX_free(take_ptr(c->ctx)); /* the only way that surely wipes it */
	*c = (struct context){0};
}

EVP_CIPHER_CTX *aead_pool_lend(struct aead_pool *p, struct aead_key *k)
{
	struct context *c = &p->contexts[k->context];

	if (k->lends < AEAD_OWN_SINCE && ++k->lends == AEAD_OWN_SINCE)
		give_back(p, k);
	if (c->owner != k)
		return prepare(p, k);
	c->used = true;
	return c->ctx;
}

void aead_pool_wipe(struct aead_pool *p, struct aead_key *k)
{
	give_back(p, k);
	OPENSSL_cleanse(k, sizeof(*k));
}
