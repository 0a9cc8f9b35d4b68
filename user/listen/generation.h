/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: one configuration, with what all workers share under it. It never changes once a
 * worker has it: a reload makes the next generation. The main thread holds a reference to the one
 * in force. Every service (service.h) holds one to its own, and every connection holds a reference
 * to its service. So a connection keeps the configuration that it was accepted under.
 */
#pragma once

#include "app/servers.h"
#include "config/config.h"
#include "listen/tally.h"
#include "tls/tls.h"

struct generation {
	unsigned refs;   /* atomic */
	unsigned number; /* 1: the one kedge started with */
	struct conf *conf;
	struct tls_shared tls;
	struct tally **tallies; /* one for each listener of conf */
	struct servers *apps;   /* one for each application of conf */
};

/*
 * Owns conf from here on, also after an error. The caller gets the first reference, and fills in
 * tls. `workers`: how many there are, whatever conf says. NULL when out of memory.
 */
struct generation *generation_new(struct conf *conf, unsigned number, unsigned workers);

/*
 * Listener i continues the counts of listener from[i] of `before`, unless that is -1. A server goes
 * on with what is known of it, by the name of its application and its own. Call it before a worker
 * has the generation.
 */
void generation_inherit(struct generation *g, const struct generation *before, const int *from);

/* Any thread. */
struct generation *generation_get(struct generation *g);
/* The last one wipes the ticket keys and frees it. NULL is fine. */
void generation_put(struct generation *g);

/* How many generations exist: more than 1 while connections of earlier ones are open. */
unsigned generation_count(void);
