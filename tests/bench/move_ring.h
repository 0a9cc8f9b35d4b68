/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench only: the ring of move_uring.c. It tests what the kernel can do, and registers sockets and
 * buffers.
 */
#pragma once

#include <liburing.h>

#include "move.h"

#define RING_GROUP 0 /* of the buffers */

/* The contents of a buffer. */
struct chunk {
	uint16_t next; /* in its queue; meaningless for the last one */
	uint32_t off, len;
};

/* Buffers with bytes, in order. Zeroed: empty. */
struct queue {
	uint16_t first, last; /* buffers */
	unsigned chunks;
};

struct ring {
	struct io_uring uring;
	unsigned features; /* enum move_feature: in use */
	struct io_uring_buf_ring *shared;
	uint8_t *buffers;
	struct chunk *chunks;       /* of each buffer */
	unsigned count, given_back; /* given_back: since the last ring_offer() */
	size_t buffer_bytes;
};

/* Ends the program without io_uring and rings of buffers. Prints the features in use. */
void ring_open(struct ring *r, const struct move *m);

/* An empty entry. Submits the queue when it is full. */
struct io_uring_sqe *ring_sqe(struct ring *r);

static inline uint8_t *ring_buffer(const struct ring *r, uint16_t id)
{
	return r->buffers + id * r->buffer_bytes;
}

/* Gives a buffer back; the kernel has it after ring_offer(). */
void ring_give_back(struct ring *r, uint16_t id);
void ring_offer(struct ring *r);

/* Registers a socket under its own number; unregisters and closes it. */
void ring_know(struct ring *r, int fd);
void ring_forget(struct ring *r, int fd);

void queue_add(struct ring *r, struct queue *q, uint16_t id, uint32_t off, uint32_t len);

/* The places of its first chunks, at most `most`. Returns how many. */
unsigned queue_gather(const struct ring *r, const struct queue *q, struct iovec *to, unsigned most);

/* Takes bytes off its front. Empty buffers are given back. */
void queue_sent(struct ring *r, struct queue *q, size_t bytes);
void queue_drop(struct ring *r, struct queue *q, unsigned chunks);
