/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums, and the sources that were refused most. See guard_counts.h. */
#include "guard/guard_counts.h"

#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void guard_counts_sum(int map, unsigned cores, struct kedge_guard_stats *sum)
{
	const size_t numbers = sizeof(*sum) / sizeof(uint64_t);
	const __u32 row = 0;
	_cleanup_(freep)
	struct kedge_guard_stats *all = calloc(cores, sizeof(*all));

	*sum = (struct kedge_guard_stats){0};
	if (!all || bpf_map_lookup_elem(map, &row, all) < 0)
		return;
	for (size_t core = 0; core < cores; core++)
		for (size_t i = 0; i < numbers; i++)
			((uint64_t *)sum)[i] += ((const uint64_t *)&all[core])[i];
}

static size_t remove_row(struct guard_refused *rows, size_t count, const uint8_t ip[16])
{
	for (size_t i = 0; i < count; i++) {
		if (memcmp(rows[i].ip, ip, sizeof(rows[i].ip)))
			continue;
		memmove(&rows[i], &rows[i + 1], (count - i - 1) * sizeof(*rows));
		return count - 1;
	}
	return count;
}

size_t guard_counts_insert(struct guard_refused *rows, size_t count, size_t max,
			   const struct guard_refused *row)
{
	size_t at;

	count = remove_row(rows, count, row->ip);
	at = count;
	while (at > 0 && rows[at - 1].what.packets < row->what.packets)
		at--;
	if (at == max)
		return count;
	if (count == max)
		count--;
	memmove(&rows[at + 1], &rows[at], (count - at) * sizeof(*rows));
	rows[at] = *row;
	return count + 1;
}

size_t guard_counts_refused(int map, uint64_t now_ns, struct guard_refused *rows, size_t max)
{
	struct guard_refused row = {0};
	size_t count = 0;
	void *before = NULL;
	uint8_t key[16];

	/*
	 * Rows come and go meanwhile. If the last key is deleted, the walk begins again and meets
	 * rows twice.
	 */
	for (int i = 0; i < KEDGE_GUARD_REFUSED_MAX; i++) {
		if (bpf_map_get_next_key(map, before, row.ip))
			break;
		if (!bpf_map_lookup_elem(map, row.ip, &row.what)) {
			row.age_ms = now_ns > row.what.last_ns
					     ? (now_ns - row.what.last_ns) / 1000000
					     : 0;
			count = guard_counts_insert(rows, count, max, &row);
		}
		memcpy(key, row.ip, sizeof(key));
		before = key;
	}
	return count;
}
