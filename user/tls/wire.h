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

/* The first bytes of the client, to recognise one that does not speak TLS. */
#define WIRE_FIRST_BYTES 8
/* The leg dies when more unsent bytes than this are kept. No sane peer causes it. */
#define WIRE_RESIDUE_MAX (256 * 1024)

/* Bytes on the heap; bytes[at..len) are not sent yet. */
struct wire_kept {
	uint8_t *bytes;
	size_t at, len;
};

struct wire {
	struct record_scratch *scratch;
	int fd;           /* borrowed */
	bool exact;       /* never receive more than OpenSSL asks for */
	bool hold;        /* until the next wire_begin() only what was received already is read */
	bool eof;         /* the client's FIN was seen */
	bool spent;       /* the budget of reads since wire_begin() is used up; more may be there */
	bool stopped;     /* nothing more is received, ever */
	bool drained;     /* a recv() since wire_begin() has emptied the socket */
	uint8_t shortest; /* of wire_expect(): bytes behind a record's header; 0: not checked */
	/* With `shortest`: where in the stream of records OpenSSL is. */
	uint8_t header_len;  /* bytes of the next header that it has read */
	uint8_t length_high; /* the fourth of them */
	uint16_t body_len;   /* bytes of the record that it has not read yet */
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

/* Moves the wire of a BIO, with all that it keeps. */
void wire_move(struct wire *to, struct wire *from, BIO *bio);

/* Borrows the shared buffers, and renews the budget of reads. */
void wire_begin(struct wire *w);

/*
 * Receives, unless there is something that OpenSSL has not read yet. 1: there is something for it;
 * 0: the end of the stream; -EAGAIN; -ECONNRESET. Not for an exact wire.
 */
int wire_fill(struct wire *w);

/*
 * Sends what was gathered and gives the buffers back. 0: all was sent; -EAGAIN: some is kept until
 * wire_flush(); -ECONNRESET or -EPIPE: the leg is dead, w->err says why. Bytes that OpenSSL has not
 * read are kept too.
 */
int wire_end(struct wire *w);

/* Sends what is kept, outside begin and end. Returns as wire_end(). */
int wire_flush(struct wire *w);

/* Sends what was gathered so far, between begin and end. Returns as wire_end(). */
int wire_send(struct wire *w);

/* Drops what OpenSSL has not read. Nothing more is received. */
void wire_stop(struct wire *w);

/*
 * Makes OpenSSL end the connection with a fatal alert. It has no call for that, so the next thing
 * that it reads is a ChangeCipherSpec record, which TLS 1.3 refuses with unexpected_message.
 */
void wire_poison(struct wire *w);

/*
 * Call it where a record begins. Instead of a record with fewer bytes than this behind its header,
 * OpenSSL reads a forged one of this length, and nothing after it. So a TLS 1.2 client is told
 * bad_record_mac, as RFC 5246 section 7.2.2 has it. OpenSSL has an error of its own for that.
 */
void wire_expect(struct wire *w, uint8_t shortest);

/* Outside wire_begin() and wire_end(). See base/check.h. */
void wire_check(const struct wire *w);

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
