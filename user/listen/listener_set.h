/*
 * user only: the listeners of one worker under one generation. The main thread makes a set, with all
 * that can fail; the worker takes it over at the end of a turn (worker.h), which can not.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "listen/generation.h"
#include "listen/listener.h"
#include "listen/sockets.h"

struct listener_set {
	struct generation *generation; /* a reference */
	size_t count;
	struct listener *listeners[]; /* in the order of conf->listeners, one reference each */
};

/*
 * By the main thread. With the TLS contexts, and without sockets. 0 or -errno after a logged line.
 */
int listener_set_new(struct listener_set **out, struct worker *w, struct generation *g);

/*
 * By the main thread: every listener gets the worker's socket from `sockets`, or, where there is none,
 * will take over that of before->listeners[from[i]]. 0 or -errno after a logged line.
 */
int listener_set_give(struct listener_set *set, struct sockets *sockets, unsigned worker,
		      const struct listener_set *before, const int *from);

/* By the main thread: where each listener is bound or will be, host order. The caller frees; NULL when
 * out of memory. */
uint16_t *listener_set_ports(const struct listener_set *set);

/* By the worker, at the end of a turn: begins to accept with this set, and takes the last
 * connections of those listeners of `before` (NULL: none) that are no more. `before` is released. */
void listener_set_take(struct listener_set *set, struct listener_set *before);

/* Releases the listeners; sockets that are still theirs are closed. NULL is fine. */
void listener_set_free(struct listener_set *set);
