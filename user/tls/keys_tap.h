/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: sees the keys of a handshake as OpenSSL derives them. What comes of them: keys.h. */
#pragma once

#include <openssl/ssl.h>

#include "tls/keys.h"

/*
 * A server context whose connections can be watched. NULL when OpenSSL does not let us; connections
 * of other contexts work the same, but keys_derive() has nothing for them.
 */
SSL_CTX *keys_ssl_ctx_new(void);

/* Around every SSL_do_handshake() of a watched connection: keys made in this thread are its own. */
void keys_enter(struct keys_watch *w);
void keys_leave(void);
