/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the bodies of the types of tls.h, for tls.c and tls_handoff.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "config/config.h"
#include "kedge/abi.h"
#include "tls/alpn.h"
#include "tls/client_hello.h"
#include "tls/keys.h"
#include "tls/tls_digest.h"
#include "tls/wire.h"

struct tls_certs;
struct tls_shared;

struct tls_ctx {
	const struct tls_shared *shared;
	struct tls_certs *certs;
	struct alpn_list alpn;
	enum conf_mode mode;
	uint8_t identity[TLS_DIGEST_BYTES]; /* what sessions are bound to, beside the name */
	bool strict_sni;                    /* a name without a certificate is refused */
	bool exact; /* the kernel may take connections over: read nothing beyond the handshake */
};

struct tls_conn {
	struct tls_ctx *ctx;
	SSL *ssl;
	struct wire wire;
	struct keys_watch watch;
	uint8_t session[TLS_DIGEST_BYTES]; /* what its session is bound to, once hello_seen */
	char sni[HELLO_NAME_MAX + 1];      /* the name as the client wrote it; empty: none */
	bool hello_seen;
	bool named;                /* by a name that has a certificate */
	enum kedge_reason refused; /* by its hello */
};
