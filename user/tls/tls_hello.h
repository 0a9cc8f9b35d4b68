/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what a ClientHello decides, before OpenSSL has looked at anything else of it. The name
 * (RFC 6066) and the protocols (RFC 7301) choose the route, and the name the certificates. All of
 * them bind the session: one that began under another name, or on a route that differs in mode,
 * protocols or certificates, is not resumed (RFC 6066 section 3).
 */
#pragma once

#include <openssl/ssl.h>

struct tls_conn;
struct tls_route;

/* Every context asks here about its connections. */
void tls_hello_ask(SSL_CTX *ctx);

/* Before the handshake of c->ssl. */
void tls_hello_expect(struct tls_conn *c);

/* What sessions of a route are bound to, beside the name. 0 or -EIO. */
int tls_hello_identify(struct tls_route *r);
