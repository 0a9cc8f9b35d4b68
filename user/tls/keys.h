/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: from a finished TLS server handshake to the key material of its two directions. Public
 * OpenSSL API only. Sources: RFC 8446 section 7 (TLS 1.3), RFC 5246 section 6.3 (TLS 1.2).
 *
 * The record numbers. In TLS 1.2 a direction starts to count behind its ChangeCipherSpec: its
 * Finished message is in record 0, and may go on in others. In TLS 1.3 it starts behind Finished,
 * in the last record under the old keys; what follows inside the handshake (session tickets) is
 * counted on.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "tls/ktls.h"

#define KEYS_SECRET_MAX 48 /* SHA-384 */
/* TLS 1.2: two keys of 32 bytes and two IVs of 12. */
#define KEYS_BLOCK_MAX  88

/* TLS 1.3's traffic secrets, the roots of both directions' keys. */
struct keys_traffic {
	enum tls_suite suite;
	uint8_t len; /* 32 or 48; 0: not known */
	uint8_t client[KEYS_SECRET_MAX], server[KEYS_SECRET_MAX];
};

/* TLS 1.3: what came of one of them. */
struct keys_direction {
	uint8_t key[32], iv[12];
	uint8_t key_len, iv_len; /* 0: not known */
};

/* What is remembered of one handshake while it runs. Zeroed at first, wiped with keys_wipe(). */
struct keys_watch {
	uint64_t rx_seq, tx_seq; /* numbers of the next records under the final keys */
	struct keys_traffic traffic;
	struct keys_direction client, server;
	uint8_t block[KEYS_BLOCK_MAX]; /* TLS 1.2: keys, then IVs, the client's first */
	uint8_t block_len;
};

/* Before the handshake; `w` must live until the SSL object is freed or keys_unwatch(). */
void keys_watch(SSL *ssl, struct keys_watch *w);
void keys_unwatch(SSL *ssl);
void keys_wipe(struct keys_watch *w);

/*
 * Version and suite of a finished handshake. 0, or -EPROTONOSUPPORT for one that kedge has not
 * offered.
 */
int keys_suite(const SSL *ssl, enum tls_version *version, enum tls_suite *suite);

/*
 * Fills in both directions as the server sees them (tx: server to client). 0, or -ENOKEY when not
 * all was seen: nothing is in the outputs then. The caller wipes the watch and the outputs.
 */
int keys_derive(const SSL *ssl, const struct keys_watch *w, union ktls_crypto *tx,
		union ktls_crypto *rx);

/*
 * One KeyUpdate (RFC 8446 section 7.2): replaces secret[0..len) by its successor and gives the keys
 * that follow from it, record number 0. 0 or -errno, with `secret` as it was and nothing in *out.
 */
int keys_next(enum tls_suite suite, uint8_t *secret, size_t len, union ktls_crypto *out);
