/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: durations, as counts in buckets that double. Pure. One thread writes with plain
 * stores; other threads load each field in one piece, and may see an old value.
 *
 * Bucket i counts durations of at most 32 us << i that are above the bound of the bucket before.
 * The last bucket counts all longer ones. A turn of a worker's loop takes about 32 us, and its
 * clock does not resolve less. 67 s is longer than any deadline of a healthy request. Doubling
 * costs one count-leading-zeros, needs 23 numbers, and makes a quantile wrong by a factor of two at
 * most.
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
 * The quantile q (0 to 1) in microseconds, interpolated within its bucket. 0 if nothing was
 * counted; the largest bound if it lies beyond that.
 */
uint64_t histogram_quantile_us(const struct histogram *h, double q);
