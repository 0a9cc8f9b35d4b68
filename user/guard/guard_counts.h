/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: reads the guard's counters and refused sources from its maps. Any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kedge/guard.h"

/* A source that was refused. */
struct guard_refused {
	uint8_t ip[16];
	struct kedge_guard_refused what;
	uint64_t age_ms; /* since its last packet */
};

/* Sums the rows of kdg_guard_stats, one per core; all zero if it cannot be read. */
void guard_counts_sum(int map, unsigned cores, struct kedge_guard_stats *sum);

/*
 * Inserts a row into rows[0..count), which are sorted, the most packets first. Replaces a row of
 * the same address. If there are `max` already, the last one is dropped. Returns the new count.
 */
size_t guard_counts_insert(struct guard_refused *rows, size_t count, size_t max,
			   const struct guard_refused *row);

/*
 * Fills rows[] with the sources of kdg_guard_refused that were refused most, sorted. now_ns is on
 * the clock of bpf_ktime_get_ns(). Returns how many, at most `max`.
 */
size_t guard_counts_refused(int map, uint64_t now_ns, struct guard_refused *rows, size_t max);
