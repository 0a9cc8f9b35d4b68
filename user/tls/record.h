/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the client leg after its handshake. Three ways to carry bytes behind one small
 * interface:
 *   record_plain.c    no TLS on this listener
 *   record_ktls.c     the kernel carries the records (keys were handed off)
 *   record_openssl.c  OpenSSL carries them
 * The mover (mover.c) drives a record; who makes one is conn_open.c, through tls_into_record() or
 * record_plain_new().
 *
 * A record does not own the socket: conn_end.c closes it. Sockets are non-blocking and registered
 * edge-triggered, so a caller reads and writes until -EAGAIN.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kedge/abi.h"

/*
 * Buffers that all records of one worker share. Nothing in them survives a call: what a record must
 * keep (half a record read, ciphertext that the socket did not take) it keeps itself, and only
 * while it must.
 */
struct record_scratch {
	uint8_t *in, *out;
	size_t in_size, out_size;
	struct kedge_stats *stats; /* the worker's row */
};

struct record;

struct record_ops {
	const char *name; /* "plain", "kernel", "user" */
	ssize_t (*read)(struct record *r, void *buf, size_t len);
	ssize_t (*write)(struct record *r, const void *buf, size_t len);
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
	/* After a read that gave bytes: nothing more is to be read, not even the end of the stream,
	 * so that whatever comes, comes with an edge. A socket's FIN or reset aside: that had its
	 * edge. */
	bool drained;
	/* With drained: but for a control record, which may wait without an edge. Whoever goes by
	 * drained reads once more when the client has been quiet for a while. */
	bool look_again;
	/* An answer to a control record waits for room in the socket. Until it is out nothing more
	 * is read (-EAGAIN): read again after record_flush() gave 0. */
	bool answer_due;
	/* The last read lasted: let others have their turn before the next. */
	bool tired;
	/* With -EPROTO: the TLS rules ended the leg, and the client was told with an alert where
	 * one belongs to it. So close in order: an RST would overtake the alert. */
	bool told;
};

/* What one record_read() may do for records without data before others have their turn. */
#define RECORD_READ_RECORDS_MAX 256
#define RECORD_READ_BYTES_MAX   (256 * 1024)

/*
 * Up to len plaintext bytes. Returns > 0; 0 at the end of the client's stream (see clean_end);
 * -EAGAIN when there is nothing until the next edge; -ECONNRESET or -EPROTO when the leg is dead,
 * with r->reason set. -EINTR: nothing yet, but there may be more to read, in the next turn.
 * A KeyUpdate and other control records are dealt with inside.
 */
static inline ssize_t record_read(struct record *r, void *buf, size_t len)
{
	return r->ops->read(r, buf, len);
}

/*
 * Takes up to len bytes and returns how many (all of them unless the socket is full; what was taken
 * will be sent or the leg dies). -EAGAIN: nothing taken, wait for EPOLLOUT, then record_flush()
 * first. -EPIPE, -ECONNRESET, -EPROTO: dead.
 */
static inline ssize_t record_write(struct record *r, const void *buf, size_t len)
{
	return r->ops->write(r, buf, len);
}

/* Sends what record_write() took and the socket did not. 0: nothing left; -EAGAIN; dead as above.
 */
static inline int record_flush(struct record *r)
{
	return r->ops->flush(r);
}

/*
 * Ends our direction: close_notify where there is TLS, then shutdown(SHUT_WR). 0: done (also when
 * called again); -EAGAIN: flush and call again; dead as above. Reading goes on.
 */
static inline int record_close_write(struct record *r)
{
	return r->ops->close_write(r);
}

/*
 * After our direction has ended: takes what the client still sends off the socket, for nobody. > 0
 * bytes; 0 at the end of the stream; -EAGAIN; another error when no more can be taken.
 */
static inline ssize_t record_drain(struct record *r, void *buf, size_t len)
{
	return r->ops->drain(r, buf, len);
}

/* Frees and wipes what the record holds, NULL is fine. Sends nothing and leaves the socket open. */
static inline void record_free(struct record *r)
{
	if (r)
		r->ops->free(r);
}
