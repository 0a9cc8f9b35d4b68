/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the idle legs of a worker that any of its clients may have next (app-reuse: shared).
 * Of each server the one that was given back last goes first, so that few are in use and the others
 * grow old. The worker's part of the server (struct server_row) has the list.
 *
 * A leg in the pool has an editor at a boundary, and no owner. Its server counts it as a connection
 * all the time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/leg.h"

/*
 * Nothing is under way on the leg, and its responses are beyond doubt (response_clean()). It is
 * closed after most_ms at the latest (leg_idle_max_ms()). The pool owns it.
 */
void leg_pool_put(struct legs *legs, struct leg *l, uint32_t most_ms);

/*
 * The leg to this server that was given back last, if the server has been silent on it for
 * `most_us` at most: a client that is slow to take a response gives its leg back late. NULL: there
 * is none. Legs that the server has ended, or has said something on, are closed, and those that
 * are older. The caller owns the leg, and gives it an owner.
 */
struct leg *leg_pool_take(struct legs *legs, struct server *s, uint64_t most_us);

/* The leg that has been idle for longest. NULL: none is. */
struct leg *leg_pool_oldest(const struct legs *legs);

/*
 * This leg was taken, and the server ended it before it sent a byte: so it has ended those that
 * were given back before it.
 */
void leg_pool_doubt(struct legs *legs, const struct leg *l);

/* One that matters no more, or whose place others need. */
void leg_pool_close(struct legs *legs, struct leg *l);

/* All of them: they are of another configuration, or the worker ends. */
void leg_pool_clear(struct legs *legs);
