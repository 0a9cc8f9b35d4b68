/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: a client leg whose records kedge seals and opens itself. See record.h. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tls/keys.h"
#include "tls/ktls.h"
#include "tls/record.h"

/* What the handshake leaves behind. The record copies it; the caller wipes it. */
struct record_aead_start {
	enum tls_version version;
	enum tls_suite suite;
	const union ktls_crypto *tx, *rx;
	const struct keys_traffic *traffic; /* TLS 1.3 */
	size_t content_max; /* bytes of a record's content: 16384, or what the client asked for */
	const uint8_t *in;  /* bytes that were received behind the handshake */
	size_t in_len;
};

/* NULL when out of memory. */
struct record *record_aead_new(int fd, struct record_scratch *buffers,
			       const struct record_aead_start *start);
