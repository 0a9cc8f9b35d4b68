/*
 * user only: bind, listen, accept. One listening socket a listener and worker, joined by
 * SO_REUSEPORT. A listener is made anew for each generation of the configuration; the socket goes
 * from one to the next, and the old one lives on for the connections it has accepted.
 */
#pragma once

#include <stddef.h>

#include "config/config.h"
#include "listen/generation.h"
#include "base/loop.h"

struct worker;
struct metrics_listener;
struct tls_ctx;

struct listener {
	struct watch watch;
	struct timer resume; /* accepting was paused: out of descriptors */
	struct worker *worker;
	struct generation *generation;    /* a reference: the configuration of its connections */
	const struct conf_listener *conf; /* in there */
	/* in there: of this listener, in all workers and generations; atomic */
	unsigned *connections;
	struct tls_ctx *tls;              /* NULL without TLS */
	struct metrics_listener *metrics; /* this worker's; set when it is started */
	struct listener *before; /* until it is started: whose socket it takes over; or NULL */
	uint64_t unasked_said_ms, lost_said_ms; /* see conn_move.c; 0: never */
	unsigned refs;            /* of the worker's set and of every connection; by the worker */
	char name[ADDR_TEXT_MAX]; /* where it is bound */
	uint16_t port;            /* bound, host order */
	int fd;                   /* -1: not, or no longer, listening */
};

/*
 * Opens `count` sockets that share one address (port 0: the port the kernel chose for the first)
 * and writes the bound address to name[]. An address that another process listens on is an error,
 * although SO_REUSEPORT would let us join it. 0 or -errno after a logged line; then no socket is
 * left open.
 */
int listener_open(int *fds, size_t count, const struct conf_listener *conf,
		  char name[ADDR_TEXT_MAX]);

/*
 * Listener `index` of a generation, with its TLS contexts and without a socket. By the main thread.
 * 0 or -errno after a logged line.
 */
int listener_new(struct listener **out, struct worker *w, struct generation *g, size_t index);

/* Gives it a listening socket, which it owns from here on; nothing is accepted yet. By the main thread.
 * 0 or -errno after a logged line. */
int listener_give(struct listener *l, int fd);

/* By the worker, outside callbacks: the last reference closes and frees. */
struct listener *listener_get(struct listener *l);
void listener_put(struct listener *l);

/* One connection of it is over: others may be admitted. */
void listener_leave(struct listener *l);

/* Begins and ends accepting, by the worker. The end takes those who have been told that they are
 * connected. */
void listener_start(struct listener *l);
void listener_stop(struct listener *l);
