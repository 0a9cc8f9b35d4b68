/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn_*.c and worker.c only: connections that wait because every server that could take them has
 * all the connections that it may have. Each worker serves its own, the oldest first. A connection
 * to a server is given back in any worker, and nobody is woken then: a worker that has some waiting
 * looks by itself.
 *
 * While anybody waits, a client's idle leg is given up: it would be in the way.
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

/* Its leg is closed: others may have its place. */
void conn_queue_leg_closed(struct conn *c);

/*
 * The leg of a flow has something under way, or not. True if the idle leg should be given up now:
 * others wait for it, or the operator has taken its server out.
 */
bool conn_queue_note(struct conn *c, bool busy);
