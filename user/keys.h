/*
 * user only: from a finished TLS server handshake to the key material of its two directions. Public
 * OpenSSL API only. Sources: RFC 8446 section 7.3 (TLS 1.3), RFC 5246 section 6.3 (TLS 1.2).
 *
 * The record numbers: a direction starts to count with its Finished message. In TLS 1.2 that is
 * record 0 under the new keys, in TLS 1.3 it is the last record under the old ones; what follows
 * inside the handshake (session tickets) is counted on.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "ktls.h"

#define KEYS_SECRET_MAX 48 /* SHA-384 */

/* TLS 1.3's traffic secrets, the roots of both directions' keys. */
struct keys_traffic {
	enum tls_suite suite;
	uint8_t len; /* 32 or 48; 0: not known */
	uint8_t client[KEYS_SECRET_MAX], server[KEYS_SECRET_MAX];
};

/* What is remembered of one handshake while it runs. Zeroed at first, wiped with keys_wipe(). */
struct keys_watch {
	uint64_t rx_seq, tx_seq; /* numbers of the next records under the final keys */
	struct keys_traffic traffic;
};

/* HMAC objects of one worker, fetched once. They hold no key between calls. */
struct keys_kit;

/* NULL when OpenSSL lacks what is needed or memory ran out. */
struct keys_kit *keys_kit_new(void);
void keys_kit_free(struct keys_kit *kit);

/* Lets connections of this context be watched. To be called on every context a connection may use.
 */
void keys_prepare(SSL_CTX *ctx);

/* Before the handshake; `w` must live until the SSL object is freed or keys_unwatch(). */
void keys_watch(SSL *ssl, struct keys_watch *w);
void keys_unwatch(SSL *ssl);
void keys_wipe(struct keys_watch *w);

/* Version and suite of a finished handshake. 0, or -EPROTONOSUPPORT for one that kedge has not
 * offered. */
int keys_suite(const SSL *ssl, enum tls_version *version, enum tls_suite *suite);

/*
 * Derives both directions as the server sees them (tx: server to client). 0 or -errno; on failure
 * nothing is left in the outputs. The caller wipes the watch and the outputs.
 */
int keys_derive(struct keys_kit *kit, const SSL *ssl, const struct keys_watch *w,
		union ktls_crypto *tx, union ktls_crypto *rx);

/*
 * One KeyUpdate (RFC 8446 section 7.2): replaces secret[0..len) by its successor and gives the keys
 * that follow from it, record number 0. 0 or -errno.
 */
int keys_next(struct keys_kit *kit, enum tls_suite suite, uint8_t *secret, size_t len,
	      union ktls_crypto *out);
