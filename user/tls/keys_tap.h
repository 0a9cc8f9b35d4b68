/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: sees the keys of a handshake when OpenSSL derives them. keys.h uses them. */
#pragma once

#include <openssl/ssl.h>

#include "tls/keys.h"

/*
 * A server context whose connections can be watched. NULL if OpenSSL does not allow it. Connections
 * of other contexts work too, but keys_derive() has no keys for them.
 */
SSL_CTX *keys_ssl_ctx_new(void);

/* Around each SSL_do_handshake() of a watched connection: keys made in this thread belong to it. */
void keys_enter(struct keys_watch *w);
void keys_leave(void);
