/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: how many of what there may be at a time, in all workers. What is over a limit is
 * refused and counted under its reason; the limits themselves are keys of the configuration, and 0
 * means none.
 */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "listen/sources.h"

struct limits {
	unsigned connections; /* both atomic: see limits_enter() */
	unsigned handshakes;
	struct sources *sources;
};

/* 0 or -ENOMEM. */
int limits_init(struct limits *l);
void limits_fini(struct limits *l);

/* Any thread. Counts one more, unless there are `max` already (0: no limit). */
static inline bool limits_enter(unsigned *count, unsigned max)
{
	if (__atomic_fetch_add(count, 1, __ATOMIC_RELAXED) < max || !max)
		return true;
	__atomic_fetch_sub(count, 1, __ATOMIC_RELAXED);
	return false;
}

static inline void limits_leave(unsigned *count)
{
	__atomic_fetch_sub(count, 1, __ATOMIC_RELAXED);
}

/* Raises the descriptors to the hard limit. Once, at start. */
void limits_raise_descriptors(void);

/* Warns where the descriptors do not suffice for the connections, with the number that fits. */
void limits_warn_descriptors(const struct conf *conf);

/* Flows that the BPF side must have room for in each worker: the kernel does not spread connections
 * evenly. */
unsigned limits_flows_each(const struct conf *conf);
