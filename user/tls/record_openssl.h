/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: a client leg whose records OpenSSL carries. See record.h. */
#pragma once

#include <openssl/ssl.h>

#include "tls/record.h"
#include "tls/wire.h"

/*
 * For a finished handshake. Takes *ssl, which is NULL afterwards, and the contents of its wire.
 * NULL when out of memory; nothing is taken then.
 */
struct record *record_openssl_new(SSL **ssl, struct wire *wire);
