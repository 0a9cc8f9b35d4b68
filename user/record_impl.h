/*
 * user only: how the two record layers behind TLS are made, and what they share. Only tls.c and the
 * record files include it.
 */
#pragma once

#include <openssl/ssl.h>

#include "keys.h"
#include "ktls.h"
#include "record.h"
#include "wire.h"

/*
 * KeyUpdates a client may send: a few at any time, more for every so many bytes of data. Each costs
 * several key derivations, and real clients do one after gigabytes (RFC 8446 section 5.5).
 */
#define KEY_UPDATES_FREE              32
#define KEY_UPDATES_BYTES_FOR_ANOTHER 65536

struct record_updates {
	uint64_t data_bytes; /* application data received */
	uint32_t count;      /* KeyUpdates received */
};

/* Counts one KeyUpdate; false when it is one too many. */
static inline bool record_update_allowed(struct record_updates *u)
{
	return ++u->count <= KEY_UPDATES_FREE + u->data_bytes / KEY_UPDATES_BYTES_FOR_ANOTHER;
}

/*
 * A leg whose keys ktls_take_over() gave to the kernel. `traffic` NULL: a KeyUpdate ends the leg;
 * otherwise its secrets are copied and followed. NULL when out of memory.
 */
struct record *record_ktls_new(int fd, struct record_scratch *scratch,
			       const struct keys_traffic *traffic);

/*
 * A leg whose records OpenSSL carries, after its handshake. Takes *ssl, NULL afterwards, and what
 * `wire`, the one under it, holds. NULL when out of memory: nothing is taken then.
 */
struct record *record_openssl_new(SSL **ssl, struct wire *wire);
