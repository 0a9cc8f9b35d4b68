/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: a worker thread: its own loop, listening sockets, buffers, TLS contexts and counters.
 * Workers share nothing on the hot path; what they are given (struct shared) does not change after
 * start. What a reload changes comes as a new set of listeners.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/kbpf.h"
#include "config/config.h"
#include "conn/conn.h"
#include "guard/guard.h"
#include "listen/limit.h"
#include "listen/doors.h"
#include "base/loop.h"
#include "metrics/metrics.h"
#include "conn/mover.h"
#include "bpf/peername.h"
#include "tls/record.h"
#include "tls/tls.h"

/* Set up by cmd_run.c before the workers start, read-only from then on. */
struct shared {
	struct limits *limits;
	struct kbpf *bpf;          /* NULL: nothing of kedge runs in BPF */
	struct peername *peername; /* NULL: applications see kedge as their peer */
	struct guard *guard;       /* NULL: whoever can, connects */
	bool record_kernel;        /* the kernel carries some TLS version and suite both ways */
	bool edit_kernel;          /* flows are edited by BPF */
	bool bypass;               /* flows may bypass loopback TCP */
	struct access_log *access; /* NULL: requests are not logged */
	struct metrics *metrics;
	unsigned flows_max; /* room in the maps of bpf */
	int done_fd;        /* eventfd: a worker that ends, or has taken doors over, writes to it */
};

struct worker {
	unsigned index;
	const struct shared *shared;
	struct loop loop;
	struct record_scratch scratch;
	struct mover mover;
	struct kedge_stats *stats;   /* this worker's row */
	struct metrics_row *metrics; /* likewise */
	struct acceptor acceptor;
	struct doors *doors;  /* what it listens with now */
	struct doors *posted; /* atomic: what it is to listen with from the next turn on */
	struct conn_list conns;
	struct conn_list graves; /* closed, to be freed at the end of the turn */
	struct task bury;
	uint32_t conns_count;
	uint64_t ports_said_ms;   /* when it was last said that source ports ran out; 0: never */
	uint64_t names_look_ms;   /* when it is looked again whether peername is attached */
	bool drain_asked;         /* atomic */
	unsigned asked, answered; /* atomic: by the main thread and by the worker */
	bool draining;

	pthread_t thread;
	bool started;
	bool ended;  /* atomic: the thread is about to return */
	int wake_fd; /* eventfd of the main thread: worker_drain(), worker_post() */
	struct watch wake;
	struct task obey; /* does it, at the end of the turn */
	struct timer drain_timer;
};

/* Makes worker `index`, with nothing to listen on. 0 or -errno after a logged line. */
int worker_init(struct worker *w, unsigned index, const struct shared *shared,
		struct kedge_stats *stats);

/*
 * Gives the worker other doors, which it owns from here on. Before its thread is started
 * that is done at once; later, from the main thread, at the end of a turn, after which done_fd is
 * written. Only while worker_waits() is false.
 */
void worker_post(struct worker *w, struct doors *doors);

/* True while doors are posted and not taken. */
bool worker_waits(const struct worker *w);

/* Starts the thread. 0 or -errno. */
int worker_start(struct worker *w);

/*
 * From the main thread: accept no more, end idle connections, let running requests finish, end what
 * is left after drain_timeout_ms of its configuration; the thread then returns.
 */
void worker_drain(struct worker *w);

/*
 * From the main thread: asks for a sign of life, which the loop gives at the end of a turn. True
 * when the last one was given, or the worker has ended.
 */
void worker_ask(struct worker *w);
bool worker_answered(const struct worker *w);

/* Waits for the thread and frees everything. */
void worker_fini(struct worker *w);
