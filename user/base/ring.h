/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: a bounded queue of records between two threads. One puts, one takes, and neither waits
 * for the other. The content of a record does not matter here.
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
 * Takes the oldest record into buf. Returns its length, or 0 if there is none. A record longer than
 * `room` is taken as well, but only its beginning is copied.
 */
size_t ring_take(struct ring *r, void *buf, size_t room);

/* By a thread of the two. See base/check.h. */
void ring_check(const struct ring *r);

/* Bytes in the ring. Either thread may ask; the number may be old. */
size_t ring_used(const struct ring *r);
