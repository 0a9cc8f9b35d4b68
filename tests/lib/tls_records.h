/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: opens and seals TLS records with the structs that the kernel gets, so that the
 * hand-off can be tested without kernel TLS. RFC 8446 section 5.2, RFC 5288, RFC 7905.
 */
#pragma once

#include "tls/ktls.h"

#define RECORD_BYTES_MAX (5 + 16384 + 256)

/*
 * Opens the record at rec[0..len). Returns the length of the plaintext in out and its type, or -1
 * if it does not decrypt. On success the record number in keys is increased.
 */
int record_open(union ktls_crypto *keys, const uint8_t *rec, size_t len, uint8_t *out,
		uint8_t *type);

/*
 * Seals n bytes as one record of this type into out. Returns its length. Increases the number too.
 */
int record_seal(union ktls_crypto *keys, uint8_t type, const void *bytes, size_t n, uint8_t *out);
