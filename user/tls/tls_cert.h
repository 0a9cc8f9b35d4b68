/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the certificates of one listener: read from their files, and found by the name that a
 * client asks for. Knows nothing of connections.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "config/config.h"

struct tls_certs;

/* Reads all pairs. Returns and logs as tls_ctx_new() does. */
int tls_certs_load(struct tls_certs **out, const struct conf_cert *certs, size_t count);
void tls_certs_free(struct tls_certs *certs);

/* SHA-256 over all of them, in order. */
void tls_certs_digest(const struct tls_certs *certs, uint8_t out[32]);

/*
 * SHA-256 over who they say kedge is, for a listener of this mode: the certificates themselves,
 * which hold the names, without chains and OCSP responses. Equal on every host that has the same
 * ones.
 */
void tls_certs_identity(const struct tls_certs *certs, uint8_t mode, uint8_t out[32]);

/* Sets up a context for the certificates in `ctx` already. */
typedef SSL_CTX *(*tls_make_ctx_fn)(void *arg);

/*
 * Makes a context for each host name (exact, or with a wildcard for its first label) with one
 * certificate of each key type that covers it; OpenSSL chooses between those by what the client can
 * verify. The first pair given is the default. 0 or -errno, logged.
 */
int tls_certs_build(struct tls_certs *certs, tls_make_ctx_fn make, void *arg);

/* Borrowed; NULL when no certificate covers the name. */
SSL_CTX *tls_certs_find(const struct tls_certs *certs, const char *host);
SSL_CTX *tls_certs_default(const struct tls_certs *certs);
