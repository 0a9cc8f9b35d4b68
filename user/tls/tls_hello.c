/* SPDX-License-Identifier: BSD-2-Clause */
/* What a ClientHello decides. See tls_hello.h. */
#include "tls/tls_hello.h"

#include <errno.h>
#include <string.h>

#include "tls/cert_name.h"
#include "tls/client_hello.h"
#include "tls/tls_cert.h"
#include "tls/tls_route.h"
#include "tls/tls_types.h"

/* The parts of a hello that decide. `bytes` is NULL where there is no such extension. */
struct hello {
	struct hello_part name, protocols;
	char host[CERT_NAME_MAX + 1]; /* the name, normalised; empty: it is no host's, or missing */
};

static enum hello_fault read_part(struct hello_part *out, SSL *ssl, unsigned type,
				  enum hello_fault (*read)(struct hello_part *out,
							   const uint8_t *body, size_t len))
{
	const uint8_t *body;
	size_t len;

	if (SSL_client_hello_get0_ext(ssl, type, &body, &len) != 1)
		return HELLO_FINE;
	return read(out, body, len);
}

static enum hello_fault read_hello(struct hello *h, SSL *ssl)
{
	enum hello_fault fault;

	fault = read_part(&h->name, ssl, TLSEXT_TYPE_server_name, hello_read_name);
	if (fault == HELLO_FINE)
		fault = read_part(&h->protocols, ssl,
				  TLSEXT_TYPE_application_layer_protocol_negotiation,
				  hello_read_protocols);
	if (h->name.bytes && cert_name_normalise(h->host, (const char *)h->name.bytes, h->name.len))
		h->host[0] = '\0';
	return fault;
}

/*
 * What the session is bound to: who kedge is, and the name as the client wrote it. In TLS 1.2
 * OpenSSL would resume under any name, and then tell the old one.
 */
static bool bind_session(uint8_t out[TLS_DIGEST_BYTES], const struct tls_route *r,
			 const struct hello_part *name)
{
	uint8_t text[TLS_DIGEST_BYTES + 1 + HELLO_NAME_MAX];

	memcpy(text, r->identity, TLS_DIGEST_BYTES);
	text[TLS_DIGEST_BYTES] = name->bytes != NULL;
	if (name->bytes)
		memcpy(text + TLS_DIGEST_BYTES + 1, name->bytes, name->len);
	return EVP_Digest(text, TLS_DIGEST_BYTES + 1 + name->len, out, NULL, EVP_sha256(), NULL) ==
	       1;
}

/*
 * The route and, from its certificates, the context. With strict-sni a name that has neither a
 * route nor a certificate has none: KEDGE_REASON_NONE, or why not with *alert.
 */
static enum kedge_reason choose(const struct tls_ctx *t, const struct hello *h, unsigned *route,
				SSL_CTX **ctx, int *alert)
{
	bool known = false;

	*route = 0;
	*ctx = NULL;
	if (h->host[0]) {
		*route = tls_route_choose(t, h->host, &h->protocols, &known);
		*ctx = tls_certs_find(t->routes[*route].certs, h->host);
	}
	if (*route || *ctx || !t->strict_sni)
		return KEDGE_REASON_NONE;
	*alert = known ? SSL_AD_NO_APPLICATION_PROTOCOL : SSL_AD_UNRECOGNIZED_NAME;
	return known ? KEDGE_REASON_tls_no_protocol : KEDGE_REASON_tls_unknown_name;
}

/*
 * After a HelloRetryRequest there is a second hello, which may not differ from the first in what
 * decides (RFC 8446 section 4.1.2).
 */
static bool differs(const struct tls_conn *c, unsigned route,
		    const uint8_t session[TLS_DIGEST_BYTES])
{
	return c->hello_seen &&
	       (route != c->route || memcmp(session, c->session, TLS_DIGEST_BYTES) != 0);
}

/* Also one that is refused. After a HelloRetryRequest it may be another one. */
static void note_name(struct tls_conn *c, const struct hello_part *name)
{
	memset(c->sni, 0, sizeof(c->sni));
	if (name->bytes)
		memcpy(c->sni, name->bytes, name->len);
}

/* OpenSSL asks before it looks at versions itself. A client without the extension has TLS 1.2. */
static void note_version(struct tls_conn *c)
{
	const uint8_t *body;
	size_t len;

	if (SSL_client_hello_get0_ext(c->ssl, TLSEXT_TYPE_supported_versions, &body, &len) == 1)
		c->offered = hello_highest_version(body, len);
	else
		c->offered = (uint16_t)SSL_client_hello_get0_legacy_version(c->ssl);
}

/* KEDGE_REASON_NONE, or why not with *alert. */
static enum kedge_reason decide(struct tls_conn *c, const struct hello *h, int *alert)
{
	uint8_t session[TLS_DIGEST_BYTES];
	const struct tls_route *r;
	unsigned route;
	SSL_CTX *ctx;
	enum kedge_reason reason = choose(c->ctx, h, &route, &ctx, alert);

	note_name(c, &h->name);
	if (reason != KEDGE_REASON_NONE)
		return reason;
	r = &c->ctx->routes[route];
	*alert = SSL_AD_INTERNAL_ERROR;
	if (!bind_session(session, r, &h->name))
		return KEDGE_REASON_internal_error;
	if (differs(c, route, session)) {
		*alert = SSL_AD_ILLEGAL_PARAMETER;
		return KEDGE_REASON_tls_handshake;
	}
	memcpy(c->session, session, sizeof(session));
	c->route = route;
	c->hello_seen = true;
	c->named = route || ctx;
	if (!SSL_set_SSL_CTX(c->ssl, ctx ? ctx : tls_certs_default(r->certs)) ||
	    SSL_set_session_id_context(c->ssl, session, sizeof(session)) != 1)
		return KEDGE_REASON_no_memory;
	return KEDGE_REASON_NONE;
}

/* SSL_CTX_set_client_hello_cb(3) */
static int on_hello(SSL *ssl, int *alert, void *arg)
{
	struct tls_conn *c = SSL_get_app_data(ssl);
	struct hello h = {0};

	note_version(c);
	switch (read_hello(&h, ssl)) {
	case HELLO_FINE:
		c->refused = decide(c, &h, alert);
		break;
	case HELLO_MALFORMED:
		*alert = SSL_AD_DECODE_ERROR;
		c->refused = KEDGE_REASON_tls_handshake;
		break;
	case HELLO_NO_NAME:
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		c->refused = KEDGE_REASON_tls_handshake;
		break;
	}
	return c->refused == KEDGE_REASON_NONE ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

/* The certificates are chosen. An unknown name gets those of the first pair, and no answer. */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	const struct tls_conn *c = SSL_get_app_data(ssl);

	return c->named ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* RFC 7301 section 3.2: a client that offers none of our protocols gets a fatal alert. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		   const unsigned char *in, unsigned int in_len, void *arg)
{
	const struct tls_conn *c = SSL_get_app_data(ssl);
	const struct alpn_list *ours = &c->ctx->routes[c->route].alpn;

	if (!ours->len)
		return SSL_TLSEXT_ERR_NOACK;
	return alpn_select(ours, in, in_len, out, out_len) ? SSL_TLSEXT_ERR_OK
							   : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void tls_hello_ask(SSL_CTX *ctx)
{
	SSL_CTX_set_client_hello_cb(ctx, on_hello, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
}

void tls_hello_expect(struct tls_conn *c)
{
	SSL_set_app_data(c->ssl, c);
}

/*
 * A client that has met an HTTP server must not take a listener in mode tcp for the same, nor one
 * protocol for another.
 */
int tls_hello_identify(struct tls_route *r)
{
	const uint8_t none = 0;

	if (EVP_Digest(r->alpn.len ? r->alpn.wire : &none, r->alpn.len, r->identity, NULL,
		       EVP_sha256(), NULL) != 1)
		return -EIO;
	r->identity[0] ^= (uint8_t)r->mode;
	tls_certs_identify(r->certs, r->identity);
	return 0;
}
