/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: how many connections and handshakes there may be at a time, in all workers. kedge
 * refuses what is over a limit and counts it under its reason. The limits are keys of the
 * configuration; 0 means no limit.
 */
#pragma once

#include <stdbool.h>

#include "base/check.h"
#include "config/config.h"
#include "listen/sources.h"

/* Two descriptors each. A flow has one only while bytes of it wait for a slow reader. */
#define LIMIT_PIPES_A_WORKER 64

struct limits {
	unsigned connections; /* both atomic: see limits_enter() */
	unsigned handshakes;
	struct sources *sources;
};

/* 0 or -ENOMEM. */
int limits_init(struct limits *l);
void limits_fini(struct limits *l);

/* Counts one more, unless there are `max` already (0: no limit). Any thread. */
static inline bool limits_enter(unsigned *count, unsigned max)
{
	if (__atomic_fetch_add(count, 1, __ATOMIC_RELAXED) < max || !max)
		return true;
	__atomic_fetch_sub(count, 1, __ATOMIC_RELAXED);
	return false;
}

static inline void limits_leave(unsigned *count)
{
#ifdef KEDGE_CHECKS
	CHECK(count, (int)__atomic_load_n(count, __ATOMIC_RELAXED) > 0);
#endif
	__atomic_fetch_sub(count, 1, __ATOMIC_RELAXED);
}

/* Raises the limit of descriptors to the hard limit. Once, at startup. */
void limits_raise_descriptors(void);

/* Warns if there are too few descriptors for connections-max, with the number that fits. */
void limits_warn_descriptors(const struct conf *conf);

/*
 * How many flows each worker needs room for on the BPF side. More than its share, because the
 * kernel does not spread connections evenly.
 */
unsigned limits_flows_each(const struct conf *conf);
