/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts in buckets that double. See histogram.h. */
#include "base/histogram.h"

uint64_t histogram_count(const struct histogram *h)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		all += h->count[i];
	return all;
}

uint64_t histogram_quantile_us(const struct histogram *h, double q)
{
	double rank = q * (double)histogram_count(h), below = 0;

	for (unsigned i = 0; i < HISTOGRAM_BOUNDS; i++) {
		double here = (double)h->count[i];

		if (here > 0 && below + here >= rank) {
			double from = i ? (double)histogram_bound_us(i - 1) : 0;
			double to = (double)histogram_bound_us(i);

			return (uint64_t)(from + (to - from) * (rank - below) / here);
		}
		below += here;
	}
	return h->count[HISTOGRAM_BOUNDS] ? histogram_bound_us(HISTOGRAM_BOUNDS - 1) : 0;
}
