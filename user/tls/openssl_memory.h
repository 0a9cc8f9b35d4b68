/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: SSL objects are wiped when they are freed. OpenSSL itself wipes keys, but not the
 * traffic secrets from which the keys come: they are in the SSL object (SSL_free() of 3.0 and 3.5).
 * Whatever else it frees is left to OpenSSL, since a handshake frees a thousand blocks.
 */
#pragma once

#include <stdbool.h>

#include <openssl/ssl.h>

/* Once, before anything else of OpenSSL is called; otherwise false, and nothing is wiped. */
bool openssl_memory_init(void);

/* SSL_free(), and everything that it frees is wiped. NULL is fine. */
void openssl_memory_free(SSL *ssl);
