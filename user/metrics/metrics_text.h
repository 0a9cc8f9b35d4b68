/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: all that kedge counts and measures, as Prometheus text (exposition format 0.0.4):
 * every counter of `kedge status` as kedge_NAME_total, reasons and capabilities as labels,
 * histograms in seconds, a few counts by listener, the process_* that all exporters have. The names
 * are listed in docs/observability.md.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "guard/guard.h"
#include "kedge/abi.h"
#include "metrics/metrics.h"

/* Where it comes from; all borrowed. */
struct metrics_source {
	const struct kedge_stats *const *rows;
	size_t rows_count;
	struct metrics *metrics;
	bool record_kernel, edit_kernel, bypass; /* what new flows get */
	const struct kedge_peer_stats *peername; /* NULL: off */
	const struct guard *guard;               /* NULL: off */
	time_t started;                          /* seconds since the epoch */
};

/* Any thread. */
void metrics_write(FILE *to, const struct metrics_source *from);
