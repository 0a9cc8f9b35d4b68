/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: whatever libssl frees is wiped. OpenSSL itself wipes keys, but not all that keys come
 * from: traffic secrets are in the SSL object, and a session is written into its ticket by way of a
 * block that has the secret to resume it (3.0 and 3.5). What libcrypto frees is left to it, since
 * it wipes keys, and a handshake frees a thousand of its blocks.
 */
#pragma once

#include <stdbool.h>

/*
 * Once, before anything else of OpenSSL is called. false: nothing would be wiped, because it is
 * too late, or because libssl is not seen when it frees.
 */
bool openssl_memory_init(void);
