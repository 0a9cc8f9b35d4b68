/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: a listening socket of one worker, which accepts connections for a service. A door is
 * made anew for each generation of the configuration; the socket goes from one to the next, and the
 * service lives on for the connections that it has.
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
	/* Takes the descriptor, and its place among the connections: service_leave() gives that
	 * back. */
	void (*accepted)(struct acceptor *a, struct service *s, int fd, const union addr *peer);
	unsigned pauses;
	uint64_t pause_said_ms; /* when a pause of accepting was last mentioned; 0: never */
};

struct door {
	struct watch watch;
	struct timer resume; /* accepting was paused: out of descriptors */
	struct acceptor *acceptor;
	struct service *service; /* a reference */
	struct door *before;     /* until it is started: whose socket it takes over; or NULL */
	int fd;                  /* -1: not, or no longer, listening */
};

/*
 * A door of listener `index` of a generation, without a socket. By the main thread. 0 or -errno
 * after a logged line.
 */
int door_new(struct door **out, struct acceptor *a, struct generation *g, size_t index);

/*
 * Gives it a listening socket, which it owns from here on; nothing is accepted yet. By the main
 * thread. 0 or -errno after a logged line.
 */
int door_give(struct door *d, int fd);

/*
 * Begins and ends accepting, by the worker, outside the door's own callbacks. The end takes those
 * who have been told that they are connected.
 */
void door_start(struct door *d);
void door_stop(struct door *d);

/* Closes the socket, if it still has one, and puts the service. NULL is fine. */
void door_free(struct door *d);
