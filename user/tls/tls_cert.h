/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the certificates of one listener, found by the name that a client asks for. Knows
 * nothing of connections.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "config/config.h"

struct tls_certs;

/* Reads all pairs. Returns and logs as tls_ctx_new() does. */
int tls_certs_load(struct tls_certs **out, const struct conf_cert *certs, size_t count);

/* kedge's own, see self_signed.h. Returns and logs the same. */
int tls_certs_self_signed(struct tls_certs **out);
void tls_certs_free(struct tls_certs *certs);

/* SHA-256 over all of them, in order. */
void tls_certs_digest(const struct tls_certs *certs, uint8_t out[32]);

/*
 * Makes the digest in `identity` one of the certificates, too: which hold the names, without chains
 * and OCSP responses. Equal on every host that has the same certificates.
 */
void tls_certs_identify(const struct tls_certs *certs, uint8_t identity[32]);

/* Makes a context, without certificates. NULL if that fails. */
typedef SSL_CTX *(*tls_make_ctx_fn)(void *arg);

/*
 * Makes a context for each host name (exact, or with a wildcard as its first label). It has one
 * certificate of each key type that covers the name; OpenSSL chooses the one that the client can
 * verify. The first pair is the default. 0, or -errno after a logged line.
 */
int tls_certs_build(struct tls_certs *certs, tls_make_ctx_fn make, void *arg);

/* Borrowed. NULL if no certificate covers the name, which is normalised (cert_name.h). */
SSL_CTX *tls_certs_find(const struct tls_certs *certs, const char *host);

/* Is there one for this name, or for this wildcard itself? It is normalised. */
bool tls_certs_cover(const struct tls_certs *certs, const char *name);

SSL_CTX *tls_certs_default(const struct tls_certs *certs);
