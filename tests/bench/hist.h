/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench only: a log-linear histogram of latencies: HIST_SUB buckets for each power of two, so that
 * each value is known to within 1/HIST_SUB of itself. Knows nothing of clocks or units.
 */
#pragma once

#include <stdint.h>

#define HIST_SUB_BITS   7
#define HIST_SUB        (1u << HIST_SUB_BITS)
/* Values above are counted as this; in nanoseconds, 18 minutes. */
#define HIST_VALUE_BITS 40
#define HIST_BUCKETS    ((HIST_VALUE_BITS - HIST_SUB_BITS + 1) * HIST_SUB)

struct hist {
	uint64_t count, max;
	uint64_t buckets[HIST_BUCKETS];
};

void hist_clear(struct hist *h);
void hist_add(struct hist *h, uint64_t value);

/*
 * The value that `ppm` millionths of all values do not exceed (500000: the median), by nearest rank
 * and rounded up to the end of its bucket; never more than the largest value. 0 when empty.
 */
uint64_t hist_quantile(const struct hist *h, uint32_t ppm);
