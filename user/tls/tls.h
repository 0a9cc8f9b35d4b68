/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the TLS server side of a client leg, up to the end of its handshake. A context belongs
 * to one worker, so that workers share nothing on the hot path. The ticket keys are made once, for
 * all of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "tls/ktls.h"
#include "tls/record.h"
#include "tls/tls_cert_facts.h"
#include "tls/tls_digest.h"
#include "tls/tls_ticket.h"

/* Made once at startup. All contexts share it and only read it. */
struct tls_shared {
	struct ticket_keys tickets;
	bool tickets_random; /* not from a file */
	struct ktls_caps caps;
	enum policy record; /* require: offer only what caps can carry in both directions */
	bool tls13_only;    /* conf->tls_min, or the policy */
	enum conf_tls_policy policy;
};

/*
 * Takes the ticket keys from the configured file, or makes a random one. 0, or -errno after a
 * logged line.
 */
int tls_shared_init(struct tls_shared *s, const struct conf *conf, const struct ktls_caps *caps);

void tls_shared_wipe(struct tls_shared *s);

/*
 * For a reload: policies and ticket keys are those of conf. Random ticket keys are kept from
 * `before`, so that sessions survive the reload. tls_ctx_new() reads certificates and OCSP
 * responses again. 0, or -errno after a logged line.
 */
int tls_shared_next(struct tls_shared *s, const struct tls_shared *before, const struct conf *conf);

/*
 * The routes of one listener, and their certificates: chosen by SNI, ALPN and what the client can
 * verify.
 */
struct tls_ctx;

/* What clients get. The paths of the certificates are borrowed while the context lives. */
struct tls_offer {
	const struct conf_cert *certs;
	size_t certs_count;
	bool self_signed;       /* instead of files: see self_signed.h */
	struct conf_names alpn; /* borrowed; empty: what the mode has by itself */
	enum conf_mode mode;
};

/*
 * Reads certificates and keys. 0, or -EINVAL, -ENOENT, ... after one line that names the file and
 * the cause. A session is resumed only if the mode, the protocols, all certificates and the name
 * that the client asks for are the same as when it began. So other workers resume it, and other
 * listeners and hosts with the same configuration.
 */
int tls_ctx_new(struct tls_ctx **out, const struct tls_offer *offer,
		const struct tls_shared *shared);
void tls_ctx_free(struct tls_ctx *ctx);

/*
 * Adds a route, the next in number: what clients get that ask for one of these names and, if the
 * offer lists protocols, offer one of them. A name is a host's, or "*." and the rest of one for any
 * first label. Without certificates the route has those of the listener. Returns and logs as
 * tls_ctx_new() does. Before the first connection.
 */
int tls_ctx_add_route(struct tls_ctx *ctx, const struct conf_names *names,
		      const struct tls_offer *offer);

/*
 * The sockets of its connections are none of TCP: the kernel cannot have their records. Before the
 * first connection.
 */
void tls_ctx_user_records(struct tls_ctx *ctx);

/*
 * A client that names no host, or one that has neither a route nor a certificate, is refused (RFC
 * 6066 section 3). Otherwise it gets the first certificate. Before the first connection.
 */
void tls_ctx_strict_sni(struct tls_ctx *ctx);

/*
 * Warns of certificates that no client can get (no subjectAltName, all names taken, given twice)
 * and of those that most cannot verify (expired, the intermediate is missing). Call it once a
 * listener. NULL is fine.
 */
void tls_ctx_warn(const struct tls_ctx *ctx);

/* Calls `each` for every certificate, those of routes included. NULL: there are none. */
void tls_ctx_facts(const struct tls_ctx *ctx, cert_facts_fn *each, void *arg);

/* A fingerprint of all certificates and chains. NULL is a listener without TLS. */
void tls_ctx_digest(const struct tls_ctx *ctx, uint8_t out[TLS_DIGEST_BYTES]);

/* A handshake in progress. Does not own the socket. */
struct tls_conn;

/* NULL when out of memory. The first client bytes may be queued in the socket already. */
struct tls_conn *tls_conn_new(struct tls_ctx *ctx, int fd, struct record_scratch *scratch);

/* Wipes all key material; sends nothing. NULL is fine. */
void tls_conn_free(struct tls_conn *c);

enum tls_step { TLS_WANT_READ, TLS_WANT_WRITE, TLS_DONE, TLS_FAILED, TLS_MORE };

/*
 * Drives the handshake until it would block. TLS_MORE: its share of this turn is used up, so call
 * again in the next turn. TLS_FAILED: *reason is set, one of tls_* in reasons.def; if an alert
 * belongs to it, it was sent.
 */
enum tls_step tls_handshake(struct tls_conn *c, enum kedge_reason *reason);

/*
 * The first bytes of the client, at most WIRE_FIRST_BYTES, to say what came instead of a handshake.
 * The connection owns them.
 */
size_t tls_first_bytes(const struct tls_conn *c, const uint8_t **bytes);

/* The name that the client asked for, as it wrote it; NULL: none, or not yet. */
const char *tls_conn_name(const struct tls_conn *c);

/* Has an acceptable ClientHello come? The client has not proved anything yet. */
bool tls_hello_taken(const struct tls_conn *c);

/* Then: the number of its route, from 0 in the order in which they were added; -1: none. */
int tls_conn_route(const struct tls_conn *c);
