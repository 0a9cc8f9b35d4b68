/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the doors of one worker for one generation. The main thread makes them and does all
 * that can fail. The worker takes them over at the end of a turn (worker.h), and that cannot fail.
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
 * Makes the doors, with their TLS contexts and without sockets. By the main thread. 0 or -errno
 * after a logged line.
 */
int doors_new(struct doors **out, struct acceptor *a, struct generation *g);

/*
 * Gives every door i the worker's socket from `sockets`. If there is none, the door will take over
 * the socket of before->doors[from[i]]. By the main thread. 0 or -errno after a logged line.
 */
int doors_give(struct doors *set, struct sockets *sockets, unsigned worker,
	       const struct doors *before, const int *from);

/*
 * The port of each listener, in host order, also before its door has the socket. By the main
 * thread. The caller frees it; NULL when out of memory.
 */
uint16_t *doors_ports(const struct doors *set);

/*
 * Begins to accept with this set, accepts the last connections of listeners that only `before` has
 * (NULL: none), and frees `before`. By the worker, at the end of a turn.
 */
void doors_take(struct doors *set, struct doors *before);

/* Frees the doors and closes the sockets that they still have. NULL is fine. */
void doors_free(struct doors *set);
