/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: from a finished TLS server handshake to the key material of its two directions. Uses
 * public API of OpenSSL only. Sources: RFC 8446 section 7 (TLS 1.3), RFC 5246 section 6.3 (TLS
 * 1.2).
 *
 * Record numbers: in TLS 1.2 a direction counts from its ChangeCipherSpec on. Its Finished message
 * begins in record 0 and may continue in others. In TLS 1.3 a direction counts from its Finished
 * on, whose record is the last one under the old keys. Session tickets count.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "tls/ktls.h"

#define KEYS_SECRET_MAX 48 /* SHA-384 */
/* TLS 1.2: two keys of 32 bytes and two IVs of 12. */
#define KEYS_BLOCK_MAX  88

/* The traffic secrets of TLS 1.3, from which both directions' keys come. */
struct keys_traffic {
	enum tls_suite suite;
	uint8_t len; /* 32 or 48; 0: not known */
	uint8_t client[KEYS_SECRET_MAX], server[KEYS_SECRET_MAX];
};

/* TLS 1.3: the keys of one of them. */
struct keys_direction {
	uint8_t key[32], iv[12];
	uint8_t key_len, iv_len; /* 0: not known */
};

/* What is remembered of a running handshake. Begins with all zero; keys_wipe() wipes it. */
struct keys_watch {
	uint64_t rx_seq, tx_seq; /* numbers of the next records under the final keys */
	struct keys_traffic traffic;
	struct keys_direction client, server;
	uint8_t block[KEYS_BLOCK_MAX]; /* TLS 1.2: keys, then IVs, the client's first */
	uint8_t block_len;
};

/* Before the handshake. `w` must live until the SSL object is freed. */
void keys_watch(SSL *ssl, struct keys_watch *w);
void keys_wipe(struct keys_watch *w);

/*
 * Version and suite of a finished handshake. 0, or -EPROTONOSUPPORT if kedge does not offer them.
 */
int keys_suite(const SSL *ssl, enum tls_version *version, enum tls_suite *suite);

/*
 * Fills in both directions as the server sees them (tx: server to client). 0, or -ENOKEY if a part
 * was not seen; the outputs are zero then. The caller wipes the watch and the outputs.
 */
int keys_derive(const SSL *ssl, const struct keys_watch *w, union ktls_crypto *tx,
		union ktls_crypto *rx);

/*
 * One KeyUpdate (RFC 8446 section 7.2): replaces secret[0..len) by its successor and puts the keys
 * that come from it into *out, record number 0. 0, or -errno with `secret` and *out untouched.
 */
int keys_next(enum tls_suite suite, uint8_t *secret, size_t len, union ktls_crypto *out);
