/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: how the two record layers behind TLS are made, and what they share. Only tls.c and the
 * record files include it.
 */
#pragma once

#include <openssl/ssl.h>

#include "tls/control_record.h"
#include "tls/keys.h"
#include "tls/ktls.h"
#include "tls/record.h"
#include "tls/wire.h"

/*
 * A leg whose keys ktls_take_over() gave to the kernel. `traffic` NULL: a KeyUpdate ends the leg;
 * otherwise its secrets are copied and followed. NULL when out of memory.
 */
struct record *record_ktls_new(int fd, struct record_scratch *scratch, enum tls_version version,
			       enum tls_suite suite, const struct keys_traffic *traffic);

/* Does the first TLS 1.3 record in record[0..n) open with these keys? Decrypts it in place. */
bool record_authentic(const union ktls_crypto *keys, uint8_t *record, size_t n);

/*
 * A leg whose records OpenSSL carries, after its handshake. Takes *ssl, NULL afterwards, and what
 * `wire`, the one under it, holds. NULL when out of memory: nothing is taken then.
 */
struct record *record_openssl_new(SSL **ssl, struct wire *wire);
