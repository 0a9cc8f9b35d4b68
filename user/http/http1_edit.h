/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: drives the automaton over a buffer and says what to send instead of it. Pure: bytes
 * in, a list of pieces out. edit_user.c adds the socket.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "kedge/http1.h"

/*
 * A head has KEDGE_FIELDS_MAX lines, so at most half as many gaps; body, text and owed bytes are a
 * handful more. A call stops between two requests when less than that is left.
 */
#define HTTP1_EDIT_PIECES      256
#define HTTP1_EDIT_PIECES_HEAD (KEDGE_FIELDS_MAX / 2 + 16)
#define HTTP1_EDIT_COPY        4096
#define HTTP1_EDIT_COPY_HEAD   (KEDGE_XFF_BYTES_MAX + HTTP1_TOKEN_MAX + HTTP1_OPTIONS_MAX + 16)

/* Pieces point into the input, the conf and copy[]: valid until one of these changes. */
struct http1_edit {
	struct iovec piece[HTTP1_EDIT_PIECES];
	unsigned pieces;
	size_t bytes; /* in all pieces */
	size_t copied;
	uint8_t copy[HTTP1_EDIT_COPY];
};

/*
 * Reads in[0..len) and fills *out with what goes on. Returns how many bytes it took: fewer than len
 * when the list is full, when an upgrade's answer must come first (http1_standing() is
 * KEDGE_WAITING) or when the rest is refused (KEDGE_REFUSED, h->reason; *out holds what was
 * complete). Heads that have gone on are counted in note->requests and note->head_bits; the rest of
 * *note is left alone.
 */
size_t http1_edit(struct http1_edit *out, struct http1 *h, const struct http1_conf *c,
		  struct kedge_note *note, const void *in, size_t len);

/*
 * How many of in[0..len) need not be read one by one: of a body, a name, a value. They are
 * accounted for. 0 when http1_byte() must read the next one.
 */
static inline size_t http1_edit_block(struct http1 *h, const struct http1_conf *c,
				      const uint8_t *in, size_t len)
{
	size_t n = http1_body(h, len), more;

	if (n)
		return n;
	do {
		more = http1_take(h, c, in + n, in + len);
		n += more;
	} while (more);
	return n;
}
