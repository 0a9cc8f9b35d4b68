/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the bodies of the types of tls.h, for tls.c and tls_handoff.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "config/config.h"
#include "kedge/abi.h"
#include "tls/client_hello.h"
#include "tls/keys.h"
#include "tls/tls_route_types.h"
#include "tls/wire.h"

struct tls_shared;

struct tls_ctx {
	const struct tls_shared *shared;
	struct tls_route *routes; /* the first is the listener's own offer */
	unsigned routes_count;
	struct route_names names; /* of the others */
	bool strict_sni;          /* a name without a certificate is refused */
	bool exact; /* the kernel may take connections over: read nothing beyond the handshake */
};

struct tls_conn {
	struct tls_ctx *ctx;
	SSL *ssl;
	struct wire wire;
	struct keys_watch watch;
	uint8_t session[TLS_DIGEST_BYTES]; /* what its session is bound to, once hello_seen */
	char sni[HELLO_NAME_MAX + 1];      /* the name as the client wrote it; empty: none */
	unsigned route;                    /* index in ctx->routes, then */
	uint16_t offered; /* the highest version in the client's hello; 0: none has come */
	uint8_t alert;    /* that the client ended the handshake with; 0: none */
	bool hello_seen;
	bool named;                /* the client's name is one that has a route or a certificate */
	enum kedge_reason refused; /* by its hello */
};
