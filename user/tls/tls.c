/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contexts and handshakes of the client leg. See tls.h. Certificates are in tls_cert.c, the step
 * from a handshake to a record in tls_handoff.c.
 */
#include "tls/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/brief.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "tls/keys_tap.h"
#include "tls/tls_cert.h"
#include "tls/tls_cert_warn.h"
#include "tls/tls_hello.h"
#include "tls/tls_route.h"
#include "tls/tls_types.h"

/*
 * One ticket for each full handshake. OpenSSL's default is two, for clients that open several
 * connections at once. But a browser opens its first ones before any ticket has arrived, and every
 * resumption brings a new ticket. Each ticket costs a serialisation, an encryption and a record.
 */
#define TICKETS 1

static const char *const names12[SUITE_COUNT] = {
	[SUITE_AES_128_GCM] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
	[SUITE_AES_256_GCM] = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
	[SUITE_CHACHA20_POLY1305] = "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305",
};
static const char *const names13[SUITE_COUNT] = {
	[SUITE_AES_128_GCM] = "TLS_AES_128_GCM_SHA256",
	[SUITE_AES_256_GCM] = "TLS_AES_256_GCM_SHA384",
	[SUITE_CHACHA20_POLY1305] = "TLS_CHACHA20_POLY1305_SHA256",
};

int tls_shared_init(struct tls_shared *s, const struct conf *conf, const struct ktls_caps *caps)
{
	*s = (struct tls_shared){
		.caps = *caps,
		.record = conf->record,
		.tls13_only = conf->tls13_only || conf->tls_policy == TLS_POLICY_MODERN,
		.policy = conf->tls_policy,
		.tickets_random = !conf->ticket_keys,
	};
	if (conf->ticket_keys)
		return ticket_keys_load(&s->tickets, conf->ticket_keys);
	return ticket_keys_random(&s->tickets)
		       ? log_err(EIO, "no random numbers for the ticket keys")
		       : 0;
}

int tls_shared_next(struct tls_shared *s, const struct tls_shared *before, const struct conf *conf)
{
	int r = tls_shared_init(s, conf, &before->caps);

	if (!r && s->tickets_random && before->tickets_random)
		s->tickets = before->tickets;
	return r;
}

void tls_shared_wipe(struct tls_shared *s)
{
	OPENSSL_cleanse(s, sizeof(*s));
}

/* --- contexts --------------------------------------------------------------------------------- */

static bool offered(const struct tls_shared *s, enum tls_version v, enum tls_suite suite)
{
	if (v == VERSION_TLS12 && s->tls13_only)
		return false;
	if (suite == SUITE_AES_128_GCM && s->policy == TLS_POLICY_HIGH)
		return false;
	return s->record != POLICY_REQUIRE || ktls_can(&s->caps, v, suite);
}

/* Suites of a version, in order of preference. Those that the kernel can carry come first. */
static void list_suites(const struct tls_shared *s, enum tls_version v, char *out, size_t size)
{
	const char *const *names = v == VERSION_TLS12 ? names12 : names13;

	out[0] = '\0';
	for (int kernel = 1; kernel >= 0; kernel--) {
		for (int i = 0; i < SUITE_COUNT; i++) {
			size_t at = strlen(out);

			if (!offered(s, v, i) || ktls_can(&s->caps, v, i) != (bool)kernel)
				continue;
			snprintf(out + at, size - at, "%s%s", at ? ":" : "", names[i]);
		}
	}
}

static bool set_suites(SSL_CTX *ctx, const struct tls_shared *s)
{
	char v12[400], v13[200];

	list_suites(s, VERSION_TLS12, v12, sizeof(v12));
	list_suites(s, VERSION_TLS13, v13, sizeof(v13));
	/* OpenSSL takes no empty list. The bounds exclude the version then. */
	return (v12[0] || v13[0]) &&
	       SSL_CTX_set_min_proto_version(ctx, v12[0] ? TLS1_2_VERSION : TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, v13[0] ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
	       (!v12[0] || SSL_CTX_set_cipher_list(ctx, v12) == 1) &&
	       (!v13[0] || SSL_CTX_set_ciphersuites(ctx, v13) == 1);
}

static bool set_up(SSL_CTX *ctx, struct tls_ctx *t)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* A client that puts ChaCha20 first has no AES instructions. */
	if (ktls_can(&t->shared->caps, VERSION_TLS13, SUITE_CHACHA20_POLY1305) || !t->exact)
		SSL_CTX_set_options(ctx, SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, TICKETS);
	tls_hello_ask(ctx);

	return !ticket_keys_use(ctx, &t->shared->tickets) &&
	       SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1 &&
	       set_suites(ctx, t->shared);
}

static SSL_CTX *make_ctx(void *arg)
{
	struct tls_ctx *t = arg;
	SSL_CTX *ctx = keys_ssl_ctx_new();

	if (ctx && set_up(ctx, t))
		return ctx;
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return NULL;
}

static bool any_suite(const struct tls_shared *s, bool kernel)
{
	for (int v = 0; v < VERSION_COUNT; v++)
		for (int i = 0; i < SUITE_COUNT; i++)
			if (offered(s, v, i) && (!kernel || ktls_can(&s->caps, v, i)))
				return true;
	return false;
}

static void ctx_freep(struct tls_ctx **ctx)
{
	tls_ctx_free(*ctx);
}

/* Appends what an offer says. `own`: whose certificates it has if it brings none. */
static int add_offer(struct tls_ctx *t, const struct tls_offer *offer, struct tls_certs *own)
{
	struct tls_route *grown = reallocarray(t->routes, t->routes_count + 1, sizeof(*grown)), *r;
	int err;

	if (!grown)
		return log_err(ENOMEM, "TLS: no context");
	t->routes = grown;
	r = &grown[t->routes_count];
	*r = (struct tls_route){.mode = offer->mode, .by_alpn = offer->alpn.count > 0};
	if (alpn_list_make(&r->alpn, &offer->alpn, offer->mode))
		return log_err(ENOMEM, "TLS: no context");
	t->routes_count++;
	if (own && !offer->certs_count) {
		r->certs = own;
		return tls_hello_identify(r);
	}
	err = offer->self_signed ? tls_certs_self_signed(&r->certs)
				 : tls_certs_load(&r->certs, offer->certs, offer->certs_count);
	if (!err)
		err = tls_hello_identify(r);
	return err ? err : tls_certs_build(r->certs, make_ctx, t);
}

int tls_ctx_new(struct tls_ctx **out, const struct tls_offer *offer,
		const struct tls_shared *shared)
{
	_cleanup_(ctx_freep)
	struct tls_ctx *t = NULL;
	int r;

	if (!any_suite(shared, false))
		return log_error("TLS: record is required of a kernel that carries none"),
		       -EOPNOTSUPP;
	t = calloc(1, sizeof(*t));
	if (!t)
		return log_err(ENOMEM, "TLS: no context");
	t->shared = shared;
	t->exact = shared->record != POLICY_OFF && any_suite(shared, true);
	r = add_offer(t, offer, NULL);
	if (r)
		return r;
	*out = take_ptr(t);
	return 0;
}

int tls_ctx_add_route(struct tls_ctx *t, const struct conf_names *names,
		      const struct tls_offer *offer)
{
	int err = add_offer(t, offer, t->routes[0].certs);

	if (err)
		return err;
	err = route_names_add(&t->names, names, t->routes_count - 1);
	return err ? log_err(err, "TLS: no route") : 0;
}

void tls_ctx_user_records(struct tls_ctx *t)
{
	t->exact = false;
}

void tls_ctx_strict_sni(struct tls_ctx *t)
{
	t->strict_sni = true;
}

/* Does it bring certificates, and not have those of the listener? */
static bool has_own_certs(const struct tls_ctx *t, unsigned route)
{
	return !route || t->routes[route].certs != t->routes[0].certs;
}

void tls_ctx_free(struct tls_ctx *t)
{
	if (!t)
		return;
	for (unsigned i = t->routes_count; i-- > 0;) {
		if (has_own_certs(t, i))
			tls_certs_free(t->routes[i].certs);
		alpn_list_clear(&t->routes[i].alpn);
	}
	route_names_clear(&t->names);
	free(t->routes);
	free(t);
}

void tls_ctx_digest(const struct tls_ctx *t, uint8_t out[TLS_DIGEST_BYTES])
{
	uint8_t both[2 * TLS_DIGEST_BYTES];

	memset(out, 0, TLS_DIGEST_BYTES);
	for (unsigned i = 0; t && i < t->routes_count; i++) {
		if (!has_own_certs(t, i))
			continue;
		memcpy(both, out, TLS_DIGEST_BYTES);
		tls_certs_digest(t->routes[i].certs, both + TLS_DIGEST_BYTES);
		EVP_Digest(both, sizeof(both), out, NULL, EVP_sha256(), NULL);
	}
}

/* A client would get the first certificate of the route. */
static void warn_name(const struct tls_ctx *t, const struct route_name *name)
{
	if (!tls_certs_cover(t->routes[name->route].certs, name->name))
		log_warn("route %s: no certificate of it has this name: clients will refuse it",
			 name->name);
}

/* Does an earlier route bring the same certificates? */
static bool warned_before(const struct tls_ctx *t, unsigned route)
{
	uint8_t this[TLS_DIGEST_BYTES], other[TLS_DIGEST_BYTES];

	tls_certs_digest(t->routes[route].certs, this);
	for (unsigned i = 0; i < route; i++) {
		tls_certs_digest(t->routes[i].certs, other);
		if (!memcmp(this, other, sizeof(this)))
			return true;
	}
	return false;
}

void tls_ctx_warn(const struct tls_ctx *t)
{
	for (unsigned i = 0; t && i < t->routes_count; i++)
		if (!warned_before(t, i))
			tls_certs_warn(t->routes[i].certs);
	for (size_t i = 0; t && i < t->names.count; i++)
		warn_name(t, &t->names.all[i]);
}

void tls_ctx_facts(const struct tls_ctx *t, cert_facts_fn *each, void *arg)
{
	for (unsigned i = 0; t && i < t->routes_count; i++)
		if (has_own_certs(t, i))
			tls_certs_facts(t->routes[i].certs, each, arg);
}

/* --- handshake -------------------------------------------------------------------------------- */

struct tls_conn *tls_conn_new(struct tls_ctx *ctx, int fd, struct record_scratch *scratch)
{
	struct tls_conn *c = brief_take(scratch->brief, sizeof(*c));
	BIO *bio;

	if (!c)
		return NULL;
	c->ctx = ctx;
	wire_init(&c->wire, fd, scratch, ctx->exact);
	c->ssl = SSL_new(tls_certs_default(ctx->routes[0].certs));
	bio = c->ssl ? wire_bio(&c->wire) : NULL;
	if (!bio) {
		tls_conn_free(c);
		return NULL;
	}
	SSL_set_bio(c->ssl, bio, bio);
	SSL_set_accept_state(c->ssl);
	tls_hello_expect(c);
	keys_watch(c->ssl, &c->watch);
	return c;
}

void tls_conn_free(struct tls_conn *c)
{
	if (!c)
		return;
	if (c->ssl)
		SSL_set_quiet_shutdown(c->ssl, 1);
	SSL_free(c->ssl);
	wire_reset(&c->wire);
	keys_wipe(&c->watch);
	brief_give(c);
}

/* A request line begins with a method: capitals up to a space, if the space has come yet. */
static bool looks_like_http(const struct wire *w)
{
	size_t n = 0;

	while (n < w->first_len && w->first[n] >= 'A' && w->first[n] <= 'Z')
		n++;
	return n >= 3 && (n == w->first_len || w->first[n] == ' ');
}

static enum kedge_reason reason_of_error(unsigned long err)
{
	switch (ERR_GET_REASON(err)) {
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
		return KEDGE_REASON_tls_plain_http;
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_UNKNOWN_PROTOCOL:
	case SSL_R_INAPPROPRIATE_FALLBACK:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
		return KEDGE_REASON_tls_no_shared;
	case SSL_R_NO_APPLICATION_PROTOCOL:
		return KEDGE_REASON_tls_no_protocol;
	default:
		return ERR_GET_REASON(err) >= SSL_AD_REASON_OFFSET ? KEDGE_REASON_tls_client_alert
								   : KEDGE_REASON_tls_handshake;
	}
}

/* OpenSSL reports a received alert as a reason above this. */
static uint8_t alert_of_error(unsigned long err)
{
	const int number = ERR_GET_REASON(err) - SSL_AD_REASON_OFFSET;

	return ERR_GET_LIB(err) == ERR_LIB_SSL && number > 0 && number <= UINT8_MAX
		       ? (uint8_t)number
		       : 0;
}

static enum kedge_reason why_failed(struct tls_conn *c)
{
	const struct wire *w = &c->wire;
	unsigned long err = ERR_peek_error();

	if (c->refused != KEDGE_REASON_NONE)
		return c->refused;
	if (!err)
		return KEDGE_REASON_tls_client_gone;
	if (looks_like_http(w))
		return KEDGE_REASON_tls_plain_http;
	/* Neither a handshake record nor the old form of hello, which OpenSSL still reads. */
	if (w->first_len && w->first[0] != SSL3_RT_HANDSHAKE && !(w->first[0] & 0x80))
		return KEDGE_REASON_tls_not_tls;
	c->alert = alert_of_error(err);
	return reason_of_error(err);
}

size_t tls_first_bytes(const struct tls_conn *c, const uint8_t **bytes)
{
	*bytes = c->wire.first;
	return c->wire.first_len;
}

const char *tls_conn_name(const struct tls_conn *c)
{
	return c->sni[0] ? c->sni : NULL;
}

/* OpenSSL chooses the cipher suite last. */
bool tls_hello_taken(const struct tls_conn *c)
{
	return SSL_get_pending_cipher(c->ssl) != NULL;
}

int tls_conn_route(const struct tls_conn *c)
{
	return (int)c->route - 1;
}

enum tls_step tls_handshake(struct tls_conn *c, enum kedge_reason *reason)
{
	int done, err, sent;

	wire_begin(&c->wire);
	sent = wire_send(&c->wire);
	if (sent == -EAGAIN)
		return TLS_WANT_WRITE;
	ERR_clear_error();
	keys_enter(&c->watch);
	done = sent ? 0 : SSL_do_handshake(c->ssl);
	keys_leave();
	err = sent ? SSL_ERROR_SYSCALL : SSL_get_error(c->ssl, done);
	if (done != 1 && err != SSL_ERROR_WANT_READ)
		*reason = why_failed(c);
	ERR_clear_error();
	sent = wire_end(&c->wire);
	if (done != 1 && err != SSL_ERROR_WANT_READ)
		return TLS_FAILED;
	if (sent == -EAGAIN)
		return TLS_WANT_WRITE;
	if (sent) {
		*reason = KEDGE_REASON_tls_client_gone;
		return TLS_FAILED;
	}
	if (done == 1)
		return TLS_DONE;
	return c->wire.spent ? TLS_MORE : TLS_WANT_READ;
}
