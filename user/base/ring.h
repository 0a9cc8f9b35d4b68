/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: a bounded queue of records between two threads: one puts, one takes, neither ever
 * waits for the other. Knows nothing of what the records hold.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * Positions only grow; the place in bytes[] is position % size. What one thread writes all the time
 * is in no cache line of the other's.
 */
struct ring {
	size_t put; /* written by the thread that puts */
	char pad[64 - sizeof(size_t)];
	size_t taken;   /* written by the thread that takes */
	uint8_t *bytes; /* owned */
	size_t size;    /* a power of two */
} __attribute__((aligned(64)));

/* size: a power of two. 0 or -ENOMEM. */
int ring_init(struct ring *r, size_t size);
void ring_fini(struct ring *r);

/* One record made of the pieces. False, and nothing put, when there is no room for all of it. */
bool ring_put(struct ring *r, const struct iovec *piece, unsigned pieces);

/*
 * The oldest record into buf; returns its length, 0 when there is none. A record longer than `room`
 * is taken all the same, only its beginning is in buf.
 */
size_t ring_take(struct ring *r, void *buf, size_t room);

/* Bytes held, to either thread old at worst. */
size_t ring_used(const struct ring *r);
