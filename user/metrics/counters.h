/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the counters of include/kedge/stats.def by name, and their sums over the workers. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kedge/abi.h"

struct counter {
	const char *name, *text;
};

/* In the order of struct kedge_stats. */
extern const struct counter counters[];
extern const size_t counters_count;

/*
 * The sum over rows[0..n) of the workers. Other threads write the rows. Each number is read once,
 * so it may be old but is never torn.
 */
uint64_t counters_sum(const struct kedge_stats *const *rows, size_t n, size_t counter);

/* Of the connections that ended for a reason other than KEDGE_REASON_NONE. */
uint64_t counters_sum_reason(const struct kedge_stats *const *rows, size_t n,
			     enum kedge_reason reason);

/* Those of include/kedge/peer_stats.def, in the order of struct kedge_peer_stats. */
extern const struct counter peer_counters[];
extern const size_t peer_counters_count;
/* 0 if stats is NULL. */
uint64_t peer_counter(const struct kedge_peer_stats *stats, size_t counter);

/* Those of include/kedge/guard_stats.def, in the order of struct kedge_guard_stats. */
extern const struct counter guard_counters[];
extern const size_t guard_counters_count;

/* Of one field of struct kedge_stats: counters_sum_of(rows, n, accepted). */
#define counters_sum_of(rows, n, field) \
	counters_sum(rows, n, offsetof(struct kedge_stats, field) / sizeof(uint64_t))
