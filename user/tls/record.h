/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the client leg after its handshake. One interface, three ways to carry the bytes:
 *   record_plain.c    no TLS on this listener
 *   record_ktls.c     the kernel carries the records (keys were handed off)
 *   record_aead.c     kedge carries them, with OpenSSL's ciphers
 * The mover (mover.c) drives a record; who makes one is conn_open.c, through tls_into_record() or
 * record_plain_new().
 *
 * A record does not own the socket, conn_end.c closes it. Sockets are non-blocking and registered
 * edge-triggered, so a caller reads and writes until -EAGAIN.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kedge/abi.h"

struct brief;

/*
 * Buffers that all records of one worker share. Nothing in them survives a call. Bytes that must
 * survive (half a record, ciphertext that the socket did not take) a record keeps itself, only as
 * long as it must.
 */
struct record_scratch {
	uint8_t *in, *out;
	size_t in_size, out_size;  /* for TLS: at least AEAD_RECORD_MAX */
	struct kedge_stats *stats; /* the worker's row */
	struct brief *brief;       /* borrowed: memory of handshakes; NULL: malloc(3) */
	struct aead_pool *aead;    /* NULL until the first record of record_aead.c needs it */
};

struct record;

struct record_ops {
	const char *name; /* "plain", "kernel", "user" */
	ssize_t (*read)(struct record *r, void *buf, size_t len);
	ssize_t (*write)(struct record *r, const void *buf, size_t len);
	/* NULL: data of this leg is in user space anyway, and cannot be spliced. */
	ssize_t (*splice_in)(struct record *r, int pipe_fd, size_t len);
	ssize_t (*splice_out)(struct record *r, int pipe_fd, size_t len);
	int (*flush)(struct record *r);
	int (*close_write)(struct record *r);
	ssize_t (*drain)(struct record *r, void *buf, size_t len);
	void (*free)(struct record *r);
};

struct record {
	const struct record_ops *ops;
	struct record_scratch *scratch;
	int fd;                   /* borrowed */
	enum kedge_reason reason; /* set with -EPROTO and -ECONNRESET */
	bool clean_end; /* read returned 0 after a close_notify (always true without TLS) */
	/* After a read that gave bytes: nothing more is there, so whatever comes next comes with an
	 * edge. Except a FIN or a reset of the socket, which may have had its edge. */
	bool drained;
	/* With drained: a control record may wait without an edge. A caller that relies on drained
	 * reads once more when the client has been quiet for a while. */
	bool look_again;
	/* An answer to a control record waits for room in the socket. Until it is sent, reads give
	 * -EAGAIN. Read again after record_flush() gave 0. */
	bool answer_due;
	/* The last read took long: let others have their turn before the next. */
	bool tired;
	/* With -EPROTO: the TLS rules ended the leg, and if an alert belongs to that, it was sent.
	 * Close in order then: an RST would overtake the alert. */
	bool told;
};

/* How much one record_read() reads of records without data before others have their turn. */
#define RECORD_READ_RECORDS_MAX 256
#define RECORD_READ_BYTES_MAX   (256 * 1024)

/*
 * Up to len plaintext bytes. Returns > 0; 0 at the end of the client's stream (see clean_end);
 * -EAGAIN: nothing until the next edge; -EINTR: nothing yet, read again in the next turn;
 * -ECONNRESET or -EPROTO: the leg is dead, r->reason says why. Control records are handled inside.
 */
static inline ssize_t record_read(struct record *r, void *buf, size_t len)
{
	return r->ops->read(r, buf, len);
}

/*
 * Takes up to len bytes and returns how many: all of them unless the socket is full. Bytes that
 * were taken will be sent, or the leg dies. -EAGAIN: nothing was taken; wait for EPOLLOUT, then
 * call record_flush() first. -EPIPE, -ECONNRESET, -EPROTO: dead.
 */
static inline ssize_t record_write(struct record *r, const void *buf, size_t len)
{
	return r->ops->write(r, buf, len);
}

/* Why a dead leg died: the reset of the client, unless the record layer knows more. */
static inline enum kedge_reason record_death(const struct record *r)
{
	return r->reason ? r->reason : KEDGE_REASON_client_reset;
}

/* Can data go between this leg and a pipe? */
static inline bool record_can_splice(const struct record *r)
{
	return r->ops->splice_in && r->ops->splice_out;
}

/*
 * As record_read(), into a pipe. The pipe is empty and has PIPE_SLOTS_MIN slots. Takes no more than
 * len bytes, often fewer although more are there: `drained` is never set.
 */
static inline ssize_t record_splice_in(struct record *r, int pipe_fd, size_t len)
{
	return r->ops->splice_in(r, pipe_fd, len);
}

/* As record_write(), with the next len bytes of a pipe, which has that many. */
static inline ssize_t record_splice_out(struct record *r, int pipe_fd, size_t len)
{
	return r->ops->splice_out(r, pipe_fd, len);
}

/* Sends what record_write() took and the socket did not. 0: nothing left; -EAGAIN; dead. */
static inline int record_flush(struct record *r)
{
	return r->ops->flush(r);
}

/*
 * Ends our direction: with TLS a close_notify, then shutdown(SHUT_WR). 0: done, now or before;
 * -EAGAIN: flush and call again; dead as above. Reading goes on.
 */
static inline int record_close_write(struct record *r)
{
	return r->ops->close_write(r);
}

/*
 * After our direction has ended: takes what the client still sends and drops it. > 0 bytes; 0 at
 * the end of the stream; -EAGAIN; another error if no more can be taken.
 */
static inline ssize_t record_drain(struct record *r, void *buf, size_t len)
{
	return r->ops->drain(r, buf, len);
}

/* Frees and wipes the record; NULL is fine. Sends nothing, and leaves the socket open. */
static inline void record_free(struct record *r)
{
	if (r)
		r->ops->free(r);
}
