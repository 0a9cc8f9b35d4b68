/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: a listening socket of one worker, which accepts connections for a service (service.h).
 * Each generation of the configuration has new doors. A door takes the socket over from the one
 * before it. The old service stays as long as it has connections.
 */
#pragma once

#include <stdint.h>

#include "base/loop.h"
#include "kedge/abi.h"
#include "listen/service.h"

/* What the doors of one worker share. */
struct acceptor {
	struct loop *loop;
	struct limits *limits;
	struct metrics *metrics;
	struct kedge_stats *stats; /* the worker's row */
	unsigned worker;           /* its index */
	/* Owns the descriptor from here on. Calls service_leave() when the connection ends. */
	void (*accepted)(struct acceptor *a, struct service *s, int fd, const union addr *peer);
	/* There is no descriptor: gives one up. False if it has none to give. NULL: never has. */
	bool (*spare)(struct acceptor *a);
	unsigned pauses;
	uint64_t pause_said_ms; /* when a pause was last logged; 0: never */
};

struct door {
	struct watch watch;
	struct timer resume; /* ends a pause: there were no descriptors left */
	struct acceptor *acceptor;
	struct service *service; /* a reference */
	struct door *before;     /* whose socket door_start() takes over; or NULL */
	int fd;                  /* -1: it has no socket yet, or no longer */
};

/*
 * Makes a door, without a socket, for listener `index` of a generation. By the main thread. 0 or
 * -errno after a logged line.
 */
int door_new(struct door **out, struct acceptor *a, struct generation *g, size_t index);

/*
 * Gives it a listening socket, which it owns from here on, also after an error. Accepts nothing
 * yet. By the main thread. 0 or -errno after a logged line.
 */
int door_give(struct door *d, int fd);

/*
 * Begins and ends accepting. By the worker, outside the door's own callbacks. door_stop() first
 * accepts the clients that are connected already: a close would reset them.
 */
void door_start(struct door *d);
void door_stop(struct door *d);

/* Closes the socket if it still has one, and drops its reference to the service. NULL is fine. */
void door_free(struct door *d);
