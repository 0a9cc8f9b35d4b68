/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a finished handshake to the record layer. The order matters. The keys are derived while the
 * SSL object lives. It lives until the kernel has taken the first key: until then OpenSSL can go
 * on. After that there is no way back, and any failure closes the connection. Between the ULP and
 * the first key the kernel sends what it is given as it is: only OpenSSL may write then.
 */
#include "tls/tls_handoff.h"

#include <errno.h>

#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include "base/capability_loss.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "tls/record_ktls.h"
#include "tls/record_openssl.h"
#include "tls/tls.h"
#include "tls/tls_types.h"

/* Some clients ask for small records (RFC 6066 section 4). The kernel does not make them. */
static bool small_records(const struct tls_conn *c)
{
	return SSL_SESSION_get_max_fragment_length(SSL_get_session(c->ssl)) !=
	       TLSEXT_max_fragment_length_DISABLED;
}

/* Policy and capabilities allow it, and nothing is left in user space. */
static bool kernel_can(const struct tls_conn *c, const struct tls_facts *facts)
{
	const struct tls_shared *s = c->ctx->shared;

	return s->record != POLICY_OFF && c->ctx->exact &&
	       ktls_can(&s->caps, facts->version, facts->suite) && wire_idle(&c->wire) &&
	       !SSL_has_pending(c->ssl) && !small_records(c);
}

static int into_user(struct tls_conn *c, struct record **out, enum kedge_reason *reason)
{
	keys_unwatch(c->ssl);
	*out = record_openssl_new(&c->ssl, &c->wire);
	if (*out)
		return 0;
	*reason = KEDGE_REASON_no_memory;
	return -ENOMEM;
}

/* The kernel has taken no key. Perhaps another program has claimed the socket. */
static int kernel_refuses(struct tls_conn *c, int err, struct record **out,
			  enum kedge_reason *reason)
{
	/* The kernel took such structs at startup, so the socket is what it finds invalid. */
	capability_failed(CAPABILITY_RECORD, err == -EINVAL ? -EBUSY : err, monotonic_ms());
	if (!capability_required(CAPABILITY_RECORD))
		return into_user(c, out, reason);
	*reason = KEDGE_REASON_handoff_failed;
	return err;
}

/* The kernel sends with its key. Frees the SSL object, and gives the kernel the other key. */
static int give_rx(struct tls_conn *c, const union ktls_crypto *rx, enum kedge_reason *reason)
{
	int r;

	SSL_set_quiet_shutdown(c->ssl, 1);
	SSL_free(take_ptr(c->ssl));
	r = ktls_set_rx(c->wire.fd, rx);
	if (!r) {
		capability_worked(CAPABILITY_RECORD, monotonic_ms());
		return 0;
	}
	capability_failed(CAPABILITY_RECORD, r, monotonic_ms());
	*reason = KEDGE_REASON_handoff_failed;
	return r;
}

static int give_to_kernel(struct tls_conn *c, struct tls_facts *facts, const union ktls_crypto *tx,
			  const union ktls_crypto *rx, struct record **out,
			  enum kedge_reason *reason)
{
	const bool rekey = c->ctx->shared->caps.rekey && facts->version == VERSION_TLS13;
	struct record *record;
	int r = ktls_begin(c->wire.fd);

	/* The client has ended its direction. The kernel refuses such a socket. */
	if (r == -ENOTCONN)
		return into_user(c, out, reason);
	if (!r)
		r = ktls_set_tx(c->wire.fd, tx);
	if (r)
		return kernel_refuses(c, r, out, reason);
	r = give_rx(c, rx, reason);
	if (r)
		return r;
	c->watch.traffic.suite = facts->suite;
	record = record_ktls_new(c->wire.fd, c->wire.scratch, facts->version, facts->suite,
				 rekey ? &c->watch.traffic : NULL);
	if (!record) {
		*reason = KEDGE_REASON_no_memory;
		return -ENOMEM;
	}
	facts->kernel = true;
	*out = record;
	return 0;
}

static int into_kernel(struct tls_conn *c, struct tls_facts *facts, struct record **out,
		       enum kedge_reason *reason)
{
	union ktls_crypto tx, rx;
	int r;

	if (!capability_try(CAPABILITY_RECORD, monotonic_ms()))
		return into_user(c, out, reason);
	r = keys_derive(c->ssl, &c->watch, &tx, &rx);
	/* Nothing was done to the socket yet, so OpenSSL can go on. */
	if (r && c->ctx->shared->record == POLICY_PREFER)
		return into_user(c, out, reason);
	if (r) {
		*reason = KEDGE_REASON_handoff_failed;
		return r;
	}
	r = give_to_kernel(c, facts, &tx, &rx, out, reason);
	OPENSSL_cleanse(&tx, sizeof(tx));
	OPENSSL_cleanse(&rx, sizeof(rx));
	return r;
}

static int into_record(struct tls_conn *c, struct record **out, struct tls_facts *facts,
		       enum kedge_reason *reason)
{
	int r;

	*facts = (struct tls_facts){.resumed = SSL_session_reused(c->ssl)};
	r = keys_suite(c->ssl, &facts->version, &facts->suite);
	if (r) {
		*reason = KEDGE_REASON_internal_error;
		return r;
	}
	if (kernel_can(c, facts))
		return into_kernel(c, facts, out, reason);
	/* Small records are the client's wish: it is not refused for them. */
	if (c->ctx->shared->record != POLICY_REQUIRE || small_records(c))
		return into_user(c, out, reason);
	*reason = KEDGE_REASON_handoff_failed;
	return -EOPNOTSUPP;
}

int tls_into_record(struct tls_conn **conn, struct record **out, struct tls_facts *facts,
		    enum kedge_reason *reason)
{
	struct tls_conn *c = take_ptr(*conn);
	struct record *record = NULL;
	int r = into_record(c, &record, facts, reason);

	tls_conn_free(c);
	if (!r)
		*out = record;
	return r;
}
