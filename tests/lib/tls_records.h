/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: TLS records opened and sealed from the very structs that go to the kernel, so that
 * the hand-off is proven where the kernel has no TLS. RFC 8446 section 5.2, RFC 5288, RFC 7905.
 */
#pragma once

#include "tls/ktls.h"

#define RECORD_BYTES_MAX (5 + 16384 + 256)

/*
 * Opens the record at rec[0..len). Returns the length of the plaintext in out and its type, or -1
 * when it does not decrypt. Counts the record number in keys up on success.
 */
int record_open(union ktls_crypto *keys, const uint8_t *rec, size_t len, uint8_t *out,
		uint8_t *type);

/* Seals n bytes as one record of this type into out; returns its length. Counts up as well. */
int record_seal(union ktls_crypto *keys, uint8_t type, const void *bytes, size_t n, uint8_t *out);
