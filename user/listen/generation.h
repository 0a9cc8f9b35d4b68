/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: one configuration in force, with what belongs to it for all workers. Immutable once a
 * worker has it; a reload makes the next one. Whoever uses one holds a reference: the main thread
 * for the one in force, and every listener made from it, which its connections keep alive. So
 * a connection ends under the configuration it was accepted under.
 */
#pragma once

#include "config/config.h"
#include "tls/tls.h"

/* Counts over all generations of a listener, by workers. */
struct tally {
	unsigned refs;        /* atomic: generations */
	unsigned connections; /* atomic: see limits_enter() */
};

struct generation {
	unsigned refs;   /* atomic */
	unsigned number; /* 1: the one kedge started with */
	struct conf *conf;
	struct tls_shared tls;
	struct tally **tallies; /* one a listener of conf */
};

/*
 * Owns conf from here on. The one reference is the caller's; tls is for the caller to fill. NULL
 * when out of memory: conf is freed then, too.
 */
struct generation *generation_new(struct conf *conf, unsigned number);

/*
 * Listener i goes on with the counts of listener from[i] of `before`, where that is not -1. Before
 * any worker has it.
 */
void generation_inherit(struct generation *g, const struct generation *before, const int *from);

/* Any thread. */
struct generation *generation_get(struct generation *g);
/* Wipes and frees with the last reference. NULL is fine. */
void generation_put(struct generation *g);

/* How many there are: 1, and more while connections of earlier ones are open. */
unsigned generation_count(void);
