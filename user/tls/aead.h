/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: seals and opens TLS records. Pure: bytes in, bytes out; knows no socket and no rules
 * for what is in a record. RFC 8446 section 5.2; RFC 5246 section 6.2.3.3 with RFC 5288 (AES-GCM)
 * and RFC 7905 (ChaCha20-Poly1305).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tls/aead_key.h"
#include "tls/aead_pool.h"

#define AEAD_HEADER_LEN   5
#define AEAD_TAG_LEN      16
/* Bytes of a record's content. */
#define AEAD_CONTENT_MAX  16384
/* Header, explicit nonce or type, tag: the most that sealing adds to content. */
#define AEAD_OVERHEAD_MAX (AEAD_HEADER_LEN + 8 + AEAD_TAG_LEN)
/* A record of TLS 1.3 with the most padding, bytes. Those of TLS 1.2 are shorter. */
#define AEAD_RECORD_MAX   (AEAD_HEADER_LEN + AEAD_CONTENT_MAX + 256)

/* Why a record cannot be opened. */
enum aead_fault {
	AEAD_OVERSIZE = 1, /* longer than a record may be, in its header or once it was opened */
	AEAD_SHORT,        /* too short for a tag */
	AEAD_VERSION,      /* not 3.3 */
	AEAD_CLEAR,        /* TLS 1.3: the header's type is not that of encrypted records */
	AEAD_FORGED,       /* not authentic */
	AEAD_TYPELESS,     /* TLS 1.3: authentic, but nothing in it */
	AEAD_NO_MEMORY,
};

/*
 * Of a record's header: the length of the whole record, or -enum aead_fault. `header` has
 * AEAD_HEADER_LEN bytes.
 */
ssize_t aead_record_len(const struct aead_key *k, const uint8_t *header);

/* Bytes of room that aead_open() needs for a record of this length, and more than its content. */
static inline size_t aead_room(const struct aead_key *k, size_t record_len)
{
	return record_len - AEAD_HEADER_LEN - AEAD_TAG_LEN - (aead_key_sends_nonce(k) ? 8 : 0);
}

/*
 * Opens one record whose header aead_record_len() has accepted, into out[0..aead_room()), which is
 * either not in the record or where its ciphertext begins (see aead_content()). Returns the bytes
 * of its content, and *type, the content type; or -enum aead_fault, with nothing of the record in
 * `out`. The record's number is used up.
 */
ssize_t aead_open(struct aead_key *k, struct aead_pool *pool, const uint8_t *record, size_t len,
		  uint8_t *out, uint8_t *type);

/* Where a record's ciphertext begins: `out` for opening it in place. */
static inline uint8_t *aead_content(const struct aead_key *k, uint8_t *record)
{
	return record + AEAD_HEADER_LEN + (aead_key_sends_nonce(k) ? 8 : 0);
}

/*
 * Seals bytes[0..n), n at most AEAD_CONTENT_MAX, as one record of this type into out, which has
 * room for n + AEAD_OVERHEAD_MAX bytes. Returns the length of the record, or -AEAD_NO_MEMORY.
 */
ssize_t aead_seal(struct aead_key *k, struct aead_pool *pool, uint8_t type, const uint8_t *bytes,
		  size_t n, uint8_t *out);
