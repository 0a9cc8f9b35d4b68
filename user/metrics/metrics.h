/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: measurements beside the counters of include/kedge/stats.def: durations, flows by their
 * capabilities, and a few counts for each listener. One worker writes each row with plain stores;
 * the main thread reads them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/access_format.h"
#include "base/addr.h"
#include "base/histogram.h"

/* Where the requests of a flow are edited. */
enum metrics_edit { METRICS_EDIT_USER, METRICS_EDIT_KERNEL, METRICS_EDIT_NONE, METRICS_EDIT_COUNT };

/* One worker's. Two of them share no cache line. */
struct metrics_row {
	struct histogram handshake;  /* its first byte was due (after the prefix) -> finished */
	struct histogram connect;    /* connect(2) -> joined */
	struct histogram first_byte; /* request head complete -> head of its final response */
	struct histogram request;    /* request head complete -> end of its response */
	/* joined flows by enum access_record, who edits, may bypass */
	uint64_t flows[3][METRICS_EDIT_COUNT][2];
} __attribute__((aligned(64)));

/* Classes of HTTP statuses: 1xx to 5xx, and 0 for those that are in none. */
#define METRICS_CLASSES 6

static inline unsigned metrics_class(unsigned status)
{
	return status / 100 < METRICS_CLASSES ? status / 100 : 0;
}

/* "2xx"; "other" */
const char *metrics_class_name(unsigned class);

/* One worker's counts of one listener. */
struct metrics_listener {
	uint64_t accepted, closed, handshakes, flows;
	uint64_t requests; /* heads completed; one that is sent again counts again */
	/* Final responses by class: the application's, and kedge's own. */
	uint64_t responses[METRICS_CLASSES], own[METRICS_CLASSES];
} __attribute__((aligned(64)));

struct metrics;

/* All zero. NULL when out of memory. */
struct metrics *metrics_new(unsigned workers);
void metrics_free(struct metrics *m);

/* Is the application on a unix socket now? Then its flows have nothing of BPF. Any thread. */
void metrics_app_unix(struct metrics *m, bool is);
bool metrics_app_is_unix(const struct metrics *m);

struct metrics_row *metrics_row(struct metrics *m, unsigned worker);

/*
 * A worker's counts of the listener that is bound to `name`. The first call makes them. They stay
 * until metrics_free(), so a listener that is removed and added again goes on counting. NULL when
 * out of memory. Any thread.
 */
struct metrics_listener *metrics_listener(struct metrics *m, const char *name, unsigned worker);

/* The sum over all workers. Any thread; numbers may be old. */
void metrics_sum(struct metrics *m, struct metrics_row *out);

/* Calls `each` for every listener, in the order they were added, with the sum over all workers. */
void metrics_each_listener(struct metrics *m,
			   void (*each)(void *arg, const char *name,
					const struct metrics_listener *sum),
			   void *arg);
