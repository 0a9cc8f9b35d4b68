/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: drives the automaton over a buffer and lists the pieces to send in its place. Pure:
 * bytes in, pieces out. edit_user.c adds the socket.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "kedge/http1.h"

/*
 * A head has KEDGE_FIELDS_MAX lines, so at most half as many gaps. Body, text and owed bytes need a
 * few more pieces. A call stops between two requests when fewer pieces than that are free.
 */
#ifndef HTTP1_EDIT_PIECES
#define HTTP1_EDIT_PIECES 256
#define HTTP1_EDIT_COPY   4096
#endif
#define HTTP1_EDIT_PIECES_HEAD (KEDGE_FIELDS_MAX / 2 + 16)
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
 * Reads in[0..len) and lists the pieces to send in *out. Returns how many bytes it took. Fewer than
 * len if the list is full, if the answer to an upgrade must come first (http1_standing() is
 * KEDGE_WAITING), or if the rest is refused (KEDGE_REFUSED, h->reason; *out has the complete
 * requests before it). Counts heads that go on in note->requests, note->head_bits and note->last.
 * Does not touch the rest of *note.
 */
size_t http1_edit(struct http1_edit *out, struct http1 *h, const struct http1_conf *c,
		  struct kedge_note *note, const void *in, size_t len);

/*
 * Takes bytes of in[0..len) that need not be read one by one: of a body, a name, a value. Returns
 * how many; 0 when http1_byte() must read the next one.
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

/* Bytes that are still to come of a body with a Content-Length; 0 elsewhere, also in a chunk. */
static inline uint64_t http1_edit_body_rest(const struct http1 *h)
{
	return h->state == HTTP1_BODY ? h->left : 0;
}

/*
 * The next n bytes of such a body have passed unseen. False, with nothing changed, if the stream is
 * not in one, or if it has fewer bytes left.
 */
static inline bool http1_edit_skip(struct http1 *h, uint64_t n)
{
	return n && n <= http1_edit_body_rest(h) && http1_body(h, n) == n;
}
