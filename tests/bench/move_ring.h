/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench only: the ring of move_uring.c: what the kernel can is tried; sockets and buffers are
 * registered.
 */
#pragma once

#include <liburing.h>

#include "move.h"

#define RING_GROUP 0 /* of the buffers */

/* What a buffer holds. */
struct chunk {
	uint16_t next; /* of its queue; of the last one meaningless */
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
	unsigned count, given_back; /* given_back: since the kernel was told the last time */
	size_t buffer_bytes;
};

/* Ends the program when there is no io_uring with rings of buffers; prints what is in use. */
void ring_open(struct ring *r, const struct move *m);

/* An empty entry. Submits what there is when the queue is full. */
struct io_uring_sqe *ring_sqe(struct ring *r);

static inline uint8_t *ring_buffer(const struct ring *r, uint16_t id)
{
	return r->buffers + id * r->buffer_bytes;
}

/* A buffer that is not needed any more; the kernel has it after ring_offer(). */
void ring_give_back(struct ring *r, uint16_t id);
void ring_offer(struct ring *r);

/* Registers a socket under its own number; unregisters and closes it. */
void ring_know(struct ring *r, int fd);
void ring_forget(struct ring *r, int fd);

void queue_add(struct ring *r, struct queue *q, uint16_t id, uint32_t off, uint32_t len);

/* Where the first chunks of it are, `most` of them at most. Returns how many. */
unsigned queue_gather(const struct ring *r, const struct queue *q, struct iovec *to, unsigned most);

/* Takes bytes off its front; whole chunks off it. Buffers that become empty are given back. */
void queue_sent(struct ring *r, struct queue *q, size_t bytes);
void queue_drop(struct ring *r, struct queue *q, unsigned chunks);
