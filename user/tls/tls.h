/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the TLS server side of a client leg up to the end of its handshake. tls*.c, keys*.c,
 * wire.c and record_openssl.c are the only files that know OpenSSL. Contexts belong to one worker
 * and are not shared on the hot path; the ticket keys are made once and given to all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "tls/ktls.h"
#include "tls/record.h"
#include "tls/tls_ticket.h"

/* Made once at start, shared read-only by all contexts. */
struct tls_shared {
	struct ticket_keys tickets;
	bool tickets_random; /* and not from a file */
	struct ktls_caps caps;
	enum policy record; /* require: offer only what caps can carry in both directions */
	bool tls13_only;    /* conf->tls_min, or the policy */
	enum conf_tls_policy policy;
};

/*
 * With the ticket keys of the configured file, or one at random. 0, or -errno after a logged line.
 */
int tls_shared_init(struct tls_shared *s, const struct conf *conf, const struct ktls_caps *caps);

void tls_shared_wipe(struct tls_shared *s);

/*
 * What a reload makes of `before`: policies and ticket keys of conf; random ticket keys are kept,
 * so that sessions outlive it. Certificates and OCSP responses are read again by tls_ctx_new(). 0,
 * or -errno after a logged line.
 */
int tls_shared_next(struct tls_shared *s, const struct tls_shared *before, const struct conf *conf);

/* All certificates of one listener, chosen by SNI and by what the client can verify. */
struct tls_ctx;

/*
 * Reads certificates and keys. Returns 0; -EINVAL, -ENOENT, ... after logging one line that names
 * the file and the cause (missing, not readable, not PEM, key does not belong to the certificate,
 * expired is a warning). In mode tcp ALPN is not answered: what the application speaks is not known
 * here. A session is resumed only where the mode and all certificates are those it began with: by
 * the other workers, by another listener or host that is configured alike, but not after one of
 * them has changed.
 */
int tls_ctx_new(struct tls_ctx **out, const struct conf_cert *certs, size_t certs_count,
		enum conf_mode mode, const struct tls_shared *shared);
void tls_ctx_free(struct tls_ctx *ctx);

/*
 * Warns of certificates that no client can get (no subjectAltName, all names taken, given twice) or
 * that most cannot verify (the intermediate is missing). Once a listener. NULL is fine.
 */
void tls_ctx_warn(const struct tls_ctx *ctx);

/* A fingerprint of all its certificates, chains included. NULL is a listener without TLS. */
#define TLS_DIGEST_BYTES 32
void tls_ctx_digest(const struct tls_ctx *ctx, uint8_t out[TLS_DIGEST_BYTES]);

/* A handshake in progress. Does not own the socket. */
struct tls_conn;

/* NULL when out of memory. The first client bytes may be queued in the socket already. */
struct tls_conn *tls_conn_new(struct tls_ctx *ctx, int fd, struct record_scratch *scratch);

/* Wipes all key material; sends nothing. NULL is fine. */
void tls_conn_free(struct tls_conn *c);

enum tls_step { TLS_WANT_READ, TLS_WANT_WRITE, TLS_DONE, TLS_FAILED, TLS_MORE };

/*
 * Drives the handshake until it would block. TLS_MORE: its share of this turn is used up; there may
 * be more to read in the next one. TLS_FAILED sets *reason (the tls_* ones of reasons.def) after
 * sending the alert that belongs to it, where one does.
 */
enum tls_step tls_handshake(struct tls_conn *c, enum kedge_reason *reason);

/*
 * What the client sent first, at most WIRE_FIRST_BYTES, for a handshake that was none. The bytes
 * are the connection's.
 */
size_t tls_first_bytes(const struct tls_conn *c, const uint8_t **bytes);

/* Has the client said a hello that a session can come of? It has not proved anything yet. */
bool tls_hello_taken(const struct tls_conn *c);
