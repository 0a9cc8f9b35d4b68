/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the size of fingerprints of what a listener is: SHA-256. */
#pragma once

#define TLS_DIGEST_BYTES 32
