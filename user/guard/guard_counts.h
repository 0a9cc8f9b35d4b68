/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: reads what the guard has counted, out of its maps. Any thread. */
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

/* Sums the rows of all cores of kdg_guard_stats; all zero if the map cannot be read. */
void guard_counts_sum(int map, unsigned cores, struct kedge_guard_stats *sum);

/*
 * Puts a row among rows[0..count), which are in order, the most packets first, and drops the last
 * one if there are max already. A row of the same address is replaced. The new count.
 */
size_t guard_counts_insert(struct guard_refused *rows, size_t count, size_t max,
			   const struct guard_refused *row);

/*
 * Reads the sources that were refused most out of kdg_guard_refused, in this order: how many of
 * `max`. now_ns is on the clock of bpf_ktime_get_ns().
 */
size_t guard_counts_refused(int map, uint64_t now_ns, struct guard_refused *rows, size_t max);
