/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: how long things took, as counts in buckets that double. Pure; one writer with plain
 * stores, readers of other threads load each field at once and see it old at worst.
 *
 * Bucket i counts what took at most 32 us << i and more than the bucket before; the last one what
 * took longer than all. 32 us is about what a turn of a worker's loop takes, below which its clock
 * says nothing; 67 s is beyond any deadline that a healthy request meets. Doubling costs one
 * count-leading-zeros, needs 23 numbers, and puts a quantile within a factor of two at worst.
 */
#pragma once

#include <stdint.h>

#define HISTOGRAM_FIRST_BIT 5
#define HISTOGRAM_BOUNDS    22
#define HISTOGRAM_BUCKETS   (HISTOGRAM_BOUNDS + 1)

struct histogram {
	uint64_t count[HISTOGRAM_BUCKETS];
	uint64_t sum_us;
};

/* The upper bound of a bucket with one, in microseconds. */
static inline uint64_t histogram_bound_us(unsigned bucket)
{
	return 1ULL << (HISTOGRAM_FIRST_BIT + bucket);
}

static inline unsigned histogram_bucket(uint64_t us)
{
	unsigned bits;

	if (us <= 1U << HISTOGRAM_FIRST_BIT)
		return 0;
	bits = 64 - (unsigned)__builtin_clzll(us - 1) - HISTOGRAM_FIRST_BIT;
	return bits < HISTOGRAM_BOUNDS ? bits : HISTOGRAM_BOUNDS;
}

/* n things: the first took `us`, the others no time after it. */
static inline void histogram_take(struct histogram *h, uint64_t us, uint32_t n)
{
	if (!n)
		return;
	h->count[histogram_bucket(us)]++;
	h->count[0] += n - 1;
	h->sum_us += us;
}

uint64_t histogram_count(const struct histogram *h);

/*
 * The time that a share of q (0 to 1) stayed within, in microseconds, guessed evenly within its
 * bucket. 0 when there is nothing; the largest bound when it lies beyond.
 */
uint64_t histogram_quantile_us(const struct histogram *h, double q);
