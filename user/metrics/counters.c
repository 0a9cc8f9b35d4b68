/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters by name, and their sums. See counters.h. */
#include "metrics/counters.h"

const struct counter counters[] = {
#define X(name_, text_) {#name_, text_},
#include "kedge/stats.def"
#undef X
};
const size_t counters_count = sizeof(counters) / sizeof(counters[0]);

const struct counter peer_counters[] = {
#define X(name_, text_) {#name_, text_},
#include "kedge/peer_stats.def"
#undef X
};
const size_t peer_counters_count = sizeof(peer_counters) / sizeof(peer_counters[0]);

const struct counter guard_counters[] = {
#define X(name_, text_) {#name_, text_},
#include "kedge/guard_stats.def"
#undef X
};
const size_t guard_counters_count = sizeof(guard_counters) / sizeof(guard_counters[0]);

_Static_assert(sizeof(((struct kedge_stats *)0)->reasons) ==
		       (KEDGE_REASON_COUNT - 1) * sizeof(uint64_t),
	       "one counter a reason");
_Static_assert(sizeof(counters) / sizeof(counters[0]) ==
		       offsetof(struct kedge_stats, reasons) / sizeof(uint64_t),
	       "counters are all that stands before the reasons");

uint64_t counters_sum(const struct kedge_stats *const *rows, size_t n, size_t counter)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += __atomic_load_n((const uint64_t *)rows[i] + counter, __ATOMIC_RELAXED);
	return total;
}

uint64_t peer_counter(const struct kedge_peer_stats *stats, size_t counter)
{
	return stats ? __atomic_load_n((const uint64_t *)stats + counter, __ATOMIC_RELAXED) : 0;
}

uint64_t counters_sum_reason(const struct kedge_stats *const *rows, size_t n,
			     enum kedge_reason reason)
{
	return counters_sum(rows, n, counters_count + (size_t)reason - 1);
}
