/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: ciphertext between OpenSSL and a socket, as OpenSSL's BIO. Reads come from one large
 * recv() into the worker's shared buffer, or, when the kernel may take the socket over, are exactly
 * what OpenSSL asks for. Writes are gathered in the shared buffer and sent together. Towards
 * OpenSSL a write never fails for want of room: what the socket does not take is kept here.
 *
 * The shared buffers are only lent: every entry into OpenSSL stands between wire_begin() and
 * wire_end(), and nothing of this wire is left in them outside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/bio.h>

#include "tls/record.h"

/* First bytes kept to tell what a client that speaks no TLS speaks instead. */
#define WIRE_FIRST_BYTES 8
/* More than this of a flight or of answers kept back kills the leg: no sane peer causes it. */
#define WIRE_RESIDUE_MAX (256 * 1024)

/* Bytes on the heap; bytes[at..len) are still wanted. */
struct wire_kept {
	uint8_t *bytes;
	size_t at, len;
};

struct wire {
	struct record_scratch *scratch;
	int fd;           /* borrowed */
	bool exact;       /* never receive more than OpenSSL asks for */
	bool hold;        /* serve what has been received, receive nothing more in this call */
	bool eof;         /* the client's FIN was seen */
	bool spent;       /* the budget of reads since wire_begin() is used up: there may be more */
	bool stopped;     /* nothing more is received */
	bool drained;     /* a recv() since wire_begin() took all that was there */
	uint8_t shortest; /* wire_expect()'s: bytes of a record behind its header; 0: any number */
	uint8_t header_len;  /* with that: bytes of the next header that OpenSSL has read */
	uint8_t length_high; /* the fourth of them */
	uint16_t body_len;   /* the same: what its header says, less what OpenSSL has read since */
	uint16_t reads;      /* of OpenSSL since wire_begin(): two a record, header and rest */
	uint32_t read_bytes;
	int err;           /* positive errno that ended the leg; 0 while it lives */
	const uint8_t *in; /* received, not yet read by OpenSSL: in scratch->in or in_kept */
	size_t in_len;     /* bytes */
	uint8_t *in_kept;  /* heap, NULL when nothing is kept */
	size_t out_len;    /* bytes gathered in scratch->out */
	struct wire_kept kept_out;
	uint8_t first[WIRE_FIRST_BYTES];
	uint8_t first_len;
};

void wire_init(struct wire *w, int fd, struct record_scratch *scratch, bool exact);

/* Frees what is kept; the socket stays open. */
void wire_reset(struct wire *w);

/* A BIO over the wire, which must outlive it. NULL when out of memory. */
BIO *wire_bio(struct wire *w);

/* The wire of a BIO moves to another place, with all it keeps. */
void wire_move(struct wire *to, struct wire *from, BIO *bio);

/* Borrows the shared buffers. */
void wire_begin(struct wire *w);

/*
 * Receives, if nothing is there that OpenSSL has not read. 1: there is something; 0: the end of the
 * stream; -EAGAIN; -ECONNRESET. Not for an exact wire.
 */
int wire_fill(struct wire *w);

/*
 * Sends what was gathered, keeps what must survive, gives the buffers back. 0: all sent; -EAGAIN:
 * some is kept until wire_flush(); -ECONNRESET or -EPIPE: the leg is dead, w->err says why.
 */
int wire_end(struct wire *w);

/* Sends what is kept, outside begin and end. As wire_end(). */
int wire_flush(struct wire *w);

/* Sends what was gathered so far, between begin and end. As wire_end(). */
int wire_send(struct wire *w);

/* What OpenSSL has not read is dropped, and nothing more is received. */
void wire_stop(struct wire *w);

/*
 * OpenSSL shall end the connection with a fatal alert, which nothing asks of it: what is left to
 * read becomes a ChangeCipherSpec record, which TLS 1.3 refuses with unexpected_message.
 */
void wire_poison(struct wire *w);

/*
 * From here on, where a record begins, each has at least so many bytes behind its header. For a
 * shorter one OpenSSL reads one of this length that is not authentic, and nothing after it: with
 * TLS 1.2 it would call that an error of its own, where RFC 5246 section 7.2.2 has bad_record_mac.
 */
void wire_expect(struct wire *w, uint8_t shortest);

/* True when nothing is left in user space, in either direction. */
static inline bool wire_idle(const struct wire *w)
{
	return !w->in_len && !w->out_len && !w->kept_out.len;
}

/* Bytes that can be gathered before something must be sent. */
static inline size_t wire_room(const struct wire *w)
{
	return w->scratch->out_size - w->out_len;
}
