/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: a BIO that carries ciphertext between OpenSSL and a socket. One large recv() into the
 * worker's shared buffer serves many reads of OpenSSL. An exact wire receives only what OpenSSL
 * asks for, so that the kernel can take the socket over. Writes are gathered in the shared buffer
 * and sent together. OpenSSL never sees a full socket: bytes that the socket does not take are kept
 * here.
 *
 * The shared buffers are lent. Call OpenSSL only between wire_begin() and wire_end(); outside,
 * nothing of this wire is in the buffers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/bio.h>

#include "tls/record.h"
#include "tls/unsent.h"

/* The first bytes of the client, to recognise one that does not speak TLS. */
#define WIRE_FIRST_BYTES 8

struct wire {
	struct record_scratch *scratch;
	int fd;         /* borrowed */
	bool exact;     /* never receive more than OpenSSL asks for */
	bool eof;       /* the client's FIN was seen */
	bool spent;     /* the budget of reads since wire_begin() is used up; more may be there */
	uint16_t reads; /* of OpenSSL since wire_begin(): two a record, header and rest */
	uint32_t read_bytes;
	int err;           /* positive errno that ended the leg; 0 while it lives */
	const uint8_t *in; /* received, not yet read by OpenSSL: in scratch->in or in_kept */
	size_t in_len;     /* bytes */
	uint8_t *in_kept;  /* heap, NULL when nothing is kept */
	size_t out_len;    /* bytes gathered in scratch->out */
	struct unsent unsent;
	uint8_t first[WIRE_FIRST_BYTES];
	uint8_t first_len;
};

void wire_init(struct wire *w, int fd, struct record_scratch *scratch, bool exact);

/* Frees what is kept; the socket stays open. */
void wire_reset(struct wire *w);

/* A BIO over the wire, which must outlive it. NULL when out of memory. */
BIO *wire_bio(struct wire *w);

/* Borrows the shared buffers, and renews the budget of reads. */
void wire_begin(struct wire *w);

/*
 * Sends what was gathered and gives the buffers back. 0: all was sent; -EAGAIN: some is kept until
 * wire_send(); -ECONNRESET or -EPIPE: the leg is dead, w->err says why. Bytes that OpenSSL has not
 * read are kept too.
 */
int wire_end(struct wire *w);

/* Sends what was gathered so far, between begin and end. Returns as wire_end(). */
int wire_send(struct wire *w);

/* Outside wire_begin() and wire_end(). See base/check.h. */
void wire_check(const struct wire *w);

/* True when nothing is left in user space, in either direction. */
static inline bool wire_idle(const struct wire *w)
{
	return !w->in_len && !w->out_len && !w->unsent.len;
}

/* Bytes that can be gathered before something must be sent. */
static inline size_t wire_room(const struct wire *w)
{
	return w->scratch->out_size - w->out_len;
}
