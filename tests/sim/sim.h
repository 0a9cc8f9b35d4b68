/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: kedge's connection machine in a world that is made up. One real worker (its loop,
 * doors, states, mover, editor and record layers) runs in this thread. All sockets, epoll and the
 * clock are the world's (world.h): the linker gives it the system calls (--wrap, see sim_wrap in
 * the Makefile). Clients (client.c) and applications (app.c) do what they like, in an order and at
 * times that `choices` decides. The same choices give the same run, event by event.
 *
 *   choices.c   where all decisions come from
 *   world*.c    sockets as Linux has them, epoll, the clock, the log of events
 *   script*.c   what a client sends, and what kedge should make of it: two readers must agree
 *   client*.c   clients, with and without TLS
 *   app*.c      applications
 *   oracle*.c   what must be true, at each call, after each turn and at the end
 *   cover.c     what has happened so far: a run in which nothing happens proves nothing
 *   sim.c       a run: a worker, reloads, the drain
 *   main.c      many seeds, each in turn; how a failed one is named
 */
#pragma once

#include <stdint.h>

#include "choices.h"

struct sim_result {
	uint64_t hash;   /* of the log of events */
	uint64_t events; /* in the log */
	uint64_t turns;  /* of the worker's loop */
};

/*
 * Runs one world to its end. If something is wrong, it prints what, and the last events, and calls
 * abort(). So does a sanitizer. May be called again and again: nothing is left of a run.
 */
void sim_run(struct choices *c, struct sim_result *result);

/* Prints each event when it happens, and kedge's own messages. */
void sim_be_verbose(void);

/* Also at the end of the program: frees what runs share (certificates, keys). */
void sim_over(void);
