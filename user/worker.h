/*
 * user only: a worker thread: its own loop, listening sockets, buffers, TLS contexts and counters.
 * Workers share nothing on the hot path; what they are given (struct shared) does not change after
 * start.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf.h"
#include "config.h"
#include "conn.h"
#include "listener.h"
#include "loop.h"
#include "metrics.h"
#include "mover.h"
#include "record.h"
#include "tls.h"

/* Set up by cmd_run.c before the workers start, read-only from then on. */
struct shared {
	const struct conf *conf;
	struct tls_shared tls;
	struct bpf *bpf;           /* NULL: nothing of kedge runs in BPF */
	bool record_kernel;        /* the kernel carries some TLS version and suite both ways */
	bool edit_kernel;          /* flows are edited by BPF */
	bool bypass;               /* flows may bypass loopback TCP */
	struct access_log *access; /* NULL: requests are not logged */
	struct metrics *metrics;
	int done_fd; /* eventfd: a worker that ends writes to it */
};

struct worker {
	unsigned index;
	const struct shared *shared;
	struct loop loop;
	struct record_scratch scratch;
	struct mover mover;
	struct kedge_stats *stats;   /* this worker's row */
	struct metrics_row *metrics; /* likewise */
	struct listener *listeners;
	size_t listeners_count;
	struct conn_list conns;
	struct conn_list graves; /* closed, to be freed at the end of the turn */
	struct task bury;
	uint32_t conns_count;
	bool draining;

	pthread_t thread;
	bool started;
	bool ended;  /* atomic: the thread is about to return */
	int wake_fd; /* eventfd: written by the main thread, see worker_drain() */
	struct watch wake;
	struct timer drain_timer;
};

/*
 * Makes worker `index`: buffers, TLS contexts, listening sockets (adopted from fds[], one a
 * listener, which the worker then owns). 0 or -errno after a logged line.
 */
int worker_init(struct worker *w, unsigned index, const struct shared *shared,
		struct kedge_stats *stats, const int *fds);

/* Starts the thread. 0 or -errno. */
int worker_start(struct worker *w);

/*
 * From the main thread: accept no more, end idle connections, let running requests finish, end what
 * is left after conf->drain_timeout_ms; the thread then returns.
 */
void worker_drain(struct worker *w);

/* Waits for the thread and frees everything. */
void worker_fini(struct worker *w);
