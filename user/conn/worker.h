/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: a worker thread: its own loop, listening sockets, buffers, TLS contexts and counters.
 * Workers share nothing on the hot path. What they are given (struct shared) does not change after
 * startup. A reload gives them a new set of listeners.
 */
#pragma once

#include <stdbool.h>

#include "conn/types.h"
#include "listen/doors.h"

/* Makes worker `index`, with nothing to listen on. 0 or -errno after a logged line. */
int worker_init(struct worker *w, unsigned index, const struct shared *shared,
		struct kedge_stats *stats);

/*
 * From the main thread: gives the worker other doors, which it owns from here on. Before its thread
 * is started it takes them at once, later at the end of a turn, and then writes done_fd. Only while
 * worker_waits() is false.
 */
void worker_post(struct worker *w, struct doors *doors);

/* True while posted doors are not taken. */
bool worker_waits(const struct worker *w);

/* Starts the thread. 0 or -errno. */
int worker_start(struct worker *w);

/*
 * From the main thread, before worker_drain(): from now on each response tells its client that the
 * connection ends, where that is sound. Nothing else changes.
 */
void worker_closing(struct worker *w);

/*
 * From the main thread: the worker accepts no more, ends idle connections, lets running requests
 * finish, and ends what is left after drain_timeout_ms of its configuration. Then its thread
 * returns.
 */
void worker_drain(struct worker *w);

/* From the main thread, after server_set_admin(): the worker gives up what it has to, and soon. */
void worker_servers(struct worker *w);

/*
 * From the main thread: asks for a sign of life, which the worker gives at the end of a turn.
 * worker_answered() is true if it gave the last one, or has ended.
 */
void worker_ask(struct worker *w);
bool worker_answered(const struct worker *w);

/* Waits for the thread and frees everything. */
void worker_fini(struct worker *w);
