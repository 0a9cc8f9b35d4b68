/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the doors of one worker under one generation. The main thread makes them, with all
 * that can fail; the worker takes them over at the end of a turn (worker.h), which cannot.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "listen/generation.h"
#include "listen/door.h"
#include "listen/sockets.h"

struct doors {
	struct generation *generation; /* a reference */
	size_t count;
	struct door *doors[]; /* in the order of conf->listeners */
};

/*
 * By the main thread. With the TLS contexts, and without sockets. 0 or -errno after a logged line.
 */
int doors_new(struct doors **out, struct acceptor *a, struct generation *g);

/*
 * By the main thread: every door gets the worker's socket from `sockets`, or, where there is none,
 * will take over that of before->doors[from[i]]. 0 or -errno after a logged line.
 */
int doors_give(struct doors *set, struct sockets *sockets, unsigned worker,
	       const struct doors *before, const int *from);

/*
 * By the main thread: where each listener is bound or will be, host order. The caller frees; NULL
 * when out of memory.
 */
uint16_t *doors_ports(const struct doors *set);

/*
 * By the worker, at the end of a turn: begins to accept with this set, and takes the last
 * connections of those listeners of `before` (NULL: none) that are no more. `before` is released.
 */
void doors_take(struct doors *set, struct doors *before);

/* Releases the listeners; sockets that are still theirs are closed. NULL is fine. */
void doors_free(struct doors *set);
