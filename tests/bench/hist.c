/* SPDX-License-Identifier: BSD-2-Clause */
/* Log-linear histogram. See hist.h. */
#include "hist.h"

#include <string.h>

#define VALUE_MAX ((UINT64_C(1) << HIST_VALUE_BITS) - 1)

/* Values below HIST_SUB have a bucket each; above, the leading HIST_SUB_BITS + 1 bits choose. */
static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < HIST_SUB)
		return (unsigned)value;
	shift = 63u - (unsigned)__builtin_clzll(value) - HIST_SUB_BITS;
	return shift * HIST_SUB + (unsigned)(value >> shift);
}

static uint64_t last_of(unsigned bucket)
{
	unsigned shift;

	if (bucket < HIST_SUB)
		return bucket;
	shift = bucket / HIST_SUB - 1;
	return ((uint64_t)(bucket % HIST_SUB + HIST_SUB + 1) << shift) - 1;
}

void hist_clear(struct hist *h)
{
	memset(h, 0, sizeof(*h));
}

void hist_add(struct hist *h, uint64_t value)
{
	if (value > VALUE_MAX)
		value = VALUE_MAX;
	h->buckets[bucket_of(value)]++;
	h->count++;
	if (value > h->max)
		h->max = value;
}

uint64_t hist_quantile(const struct hist *h, uint32_t ppm)
{
	uint64_t rank = (h->count * ppm + 999999) / 1000000, seen = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen && seen >= rank)
			return last_of(i) < h->max ? last_of(i) : h->max;
	}
	return 0;
}
