/*
 * user only: one configuration in force, with what belongs to it for all workers. Immutable once a
 * worker has it; a reload makes the next one. Whoever uses one holds a reference: the main thread
 * for the one in force, and every listener made from it, which its connections keep alive. So
 * a connection ends under the configuration it was accepted under.
 */
#pragma once

#include "config.h"
#include "tls.h"

struct generation {
	unsigned refs;   /* atomic */
	unsigned number; /* 1: the one kedge started with */
	struct conf *conf;
	struct tls_shared tls;
};

/* Owns conf from here on. The one reference is the caller's; tls is for the caller to fill. NULL when
 * out of memory: conf is freed then, too. */
struct generation *generation_new(struct conf *conf, unsigned number);

/* Any thread. */
struct generation *generation_get(struct generation *g);
/* Wipes and frees with the last reference. NULL is fine. */
void generation_put(struct generation *g);

/* How many there are: 1, and more while connections of earlier ones are open. */
unsigned generation_count(void);
