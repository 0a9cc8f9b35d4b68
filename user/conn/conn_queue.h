/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn_*.c and worker.c only: connections that wait because every server that could take them has
 * all the connections that it may have. Each worker serves its own, the oldest first. A place that
 * a worker gives back goes to the worker whose oldest connection has waited for longest, which is
 * woken. A worker with some waiting also looks by itself, at each tick of the wheel of timers.
 *
 * While anybody waits, a client's idle leg is given up: it would be in the way. So are the idle
 * legs of the pool while somebody waits at another worker.
 */
#pragma once

#include "conn/types.h"

void conn_queue_init(struct worker *w);

/* Has somebody waited before who should go first? */
bool conn_queue_is_due(const struct conn *c);

/* Waits, and is run again when it should try. False: the queue is full. */
bool conn_queue_enter(struct conn *c);
/* It waits no more. Nothing if it did not. */
void conn_queue_leave(struct conn *c);

/* Its leg is closed, to this server (NULL: to none): others may have its place. */
void conn_queue_leg_closed(struct conn *c, struct server *s);

/* Has a client of another worker waited for longest for a connection to this server? */
bool conn_queue_others_wait(const struct worker *w, const struct server *s);

/* Its leg has gone to the pool (leg_pool.h): others may have it. */
void conn_queue_leg_idle(struct conn *c);

/* Another worker has given a place back, or the operator a server: somebody is called. */
void conn_queue_call(struct worker *w);

/*
 * The leg of a flow has something under way, or not. True if the idle leg should be given up now:
 * others wait for it, or the operator has taken its server out.
 */
bool conn_queue_note(struct conn *c, bool busy);
