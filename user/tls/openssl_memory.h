/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: memory that OpenSSL frees is wiped. It does so itself with keys, but not with the
 * object of a connection, which has the traffic secrets, from which the keys come (SSL_free() of
 * 3.0 and 3.5).
 */
#pragma once

#include <stdbool.h>

/*
 * Smaller blocks are left as they are. Objects of connections are larger, and their keys are in
 * objects that OpenSSL wipes. A handshake frees thousands of small blocks.
 */
#define OPENSSL_MEMORY_WIPED 512

/* Once, before anything else of OpenSSL is called; otherwise false, and nothing is wiped. */
bool openssl_memory_init(void);
