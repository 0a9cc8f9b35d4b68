/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a finished handshake to the record layer. The keys are derived while the SSL object lives.
 * Then they go to the kernel, or to records of user space. The order matters. The SSL object lives
 * until the kernel has taken the first key: until then user space can go on. After that there is no
 * way back, and any failure closes the connection. Between the ULP and the first key the kernel
 * sends what it is given as it is, so nothing is sent then.
 */
#include "tls/tls_handoff.h"

#include <errno.h>

#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include "base/capability_loss.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "tls/aead.h"
#include "tls/record_aead.h"
#include "tls/record_ktls.h"
#include "tls/tls.h"
#include "tls/tls_types.h"

/* What both record layers are made from. */
struct handoff {
	struct tls_conn *c;
	struct tls_facts *facts;
	union ktls_crypto tx, rx;
	struct record **out;
	enum kedge_reason *reason;
};

static int give_up(const struct handoff *h, int err, enum kedge_reason reason)
{
	*h->reason = reason;
	return err;
}

/* Some clients ask for small records (RFC 6066 section 4). The kernel does not make them. */
static size_t content_max(const struct tls_conn *c)
{
	const uint8_t mode = SSL_SESSION_get_max_fragment_length(SSL_get_session(c->ssl));

	return mode == TLSEXT_max_fragment_length_DISABLED ? AEAD_CONTENT_MAX : 256U << mode;
}

/* --- user space ------------------------------------------------------------------------------- */

static int into_user(const struct handoff *h)
{
	struct tls_conn *c = h->c;
	const struct record_aead_start start = {
		.version = h->facts->version,
		.suite = h->facts->suite,
		.tx = &h->tx,
		.rx = &h->rx,
		.traffic = h->facts->version == VERSION_TLS13 ? &c->watch.traffic : NULL,
		.content_max = content_max(c),
		.in = c->wire.in,
		.in_len = c->wire.in_len,
	};

	if (c->wire.out_len || c->wire.unsent.len)
		return give_up(h, -EPROTO, KEDGE_REASON_internal_error);
	/* A message behind Finished, in the same record. RFC 8446 section 5.1 has none there. */
	if (SSL_has_pending(c->ssl))
		return give_up(h, -EPROTO, KEDGE_REASON_record_control);
	*h->out = record_aead_new(c->wire.fd, c->wire.scratch, &start);
	return *h->out ? 0 : give_up(h, -ENOMEM, KEDGE_REASON_no_memory);
}

/* --- the kernel ------------------------------------------------------------------------------- */

/* Policy and capabilities allow it, and nothing is left in user space. */
static bool kernel_can(const struct tls_conn *c, const struct tls_facts *facts)
{
	const struct tls_shared *s = c->ctx->shared;

	return s->record != POLICY_OFF && c->ctx->exact &&
	       ktls_can(&s->caps, facts->version, facts->suite) && wire_idle(&c->wire) &&
	       !SSL_has_pending(c->ssl) && content_max(c) == AEAD_CONTENT_MAX;
}

/* The kernel has taken no key. Perhaps another program has claimed the socket. */
static int kernel_refuses(const struct handoff *h, int err)
{
	/* The kernel took such structs at startup, so the socket is what it finds invalid. */
	capability_failed(CAPABILITY_RECORD, err == -EINVAL ? -EBUSY : err, monotonic_ms());
	if (!capability_required(CAPABILITY_RECORD))
		return into_user(h);
	return give_up(h, err, KEDGE_REASON_handoff_failed);
}

/* The kernel sends with its key. Frees the SSL object, and gives the kernel the other key. */
static int give_rx(const struct handoff *h)
{
	int r;

	SSL_set_quiet_shutdown(h->c->ssl, 1);
	SSL_free(take_ptr(h->c->ssl));
	r = ktls_set_rx(h->c->wire.fd, &h->rx);
	if (!r) {
		capability_worked(CAPABILITY_RECORD, monotonic_ms());
		return 0;
	}
	capability_failed(CAPABILITY_RECORD, r, monotonic_ms());
	return give_up(h, r, KEDGE_REASON_handoff_failed);
}

static int into_kernel(const struct handoff *h)
{
	struct tls_conn *c = h->c;
	const bool rekey = c->ctx->shared->caps.rekey && h->facts->version == VERSION_TLS13;
	int r;

	if (!capability_try(CAPABILITY_RECORD, monotonic_ms()))
		return into_user(h);
	r = ktls_begin(c->wire.fd);
	/* The client has ended its direction. The kernel refuses such a socket. */
	if (r == -ENOTCONN)
		return into_user(h);
	if (!r)
		r = ktls_set_tx(c->wire.fd, &h->tx);
	if (r)
		return kernel_refuses(h, r);
	r = give_rx(h);
	if (r)
		return r;
	*h->out = record_ktls_new(c->wire.fd, c->wire.scratch, h->facts->version, h->facts->suite,
				  rekey ? &c->watch.traffic : NULL);
	if (!*h->out)
		return give_up(h, -ENOMEM, KEDGE_REASON_no_memory);
	h->facts->kernel = true;
	return 0;
}

static int into_record(const struct handoff *h)
{
	struct tls_conn *c = h->c;

	if (kernel_can(c, h->facts))
		return into_kernel(h);
	/* Small records are the client's wish: it is not refused for them. */
	if (c->ctx->shared->record == POLICY_REQUIRE && content_max(c) == AEAD_CONTENT_MAX)
		return give_up(h, -EOPNOTSUPP, KEDGE_REASON_handoff_failed);
	return into_user(h);
}

static int derive(struct handoff *h)
{
	struct tls_conn *c = h->c;
	int r;

	*h->facts = (struct tls_facts){.resumed = SSL_session_reused(c->ssl),
				       .route = tls_conn_route(c)};
	r = keys_suite(c->ssl, &h->facts->version, &h->facts->suite);
	if (r)
		return give_up(h, r, KEDGE_REASON_internal_error);
	c->watch.traffic.suite = h->facts->suite;
	r = keys_derive(c->ssl, &c->watch, &h->tx, &h->rx);
	return r ? give_up(h, r, KEDGE_REASON_handoff_failed) : 0;
}

int tls_into_record(struct tls_conn **conn, struct record **out, struct tls_facts *facts,
		    enum kedge_reason *reason)
{
	struct tls_conn *c = take_ptr(*conn);
	struct record *record = NULL;
	struct handoff h = {.c = c, .facts = facts, .out = &record, .reason = reason};
	int r = derive(&h);

	if (!r)
		r = into_record(&h);
	OPENSSL_cleanse(&h.tx, sizeof(h.tx));
	OPENSSL_cleanse(&h.rx, sizeof(h.rx));
	tls_conn_free(c);
	if (!r)
		*out = record;
	return r;
}
