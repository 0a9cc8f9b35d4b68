/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker thread. See worker.h. */
#include "conn/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/container_of.h"
#include "base/log.h"
#include "app/leg_pool.h"
#include "conn/conn.h"
#include "conn/conn_queue.h"
#include "conn/worker_wake.h"
#include "listen/limit.h"
#include "tls/record_scratch.h"

static void bury_run(struct task *task)
{
	struct worker *w = container_of(task, struct worker, bury);

	conn_bury(w);
	if (w->draining && LIST_EMPTY(&w->conns) && LIST_EMPTY(&w->graves))
		w->loop.stop = true;
}

static void drain_expired(struct timer *timer)
{
	struct worker *w = container_of(timer, struct worker, drain_timer);

	conn_drain_over(w);
	if (!LIST_EMPTY(&w->conns))
		log_warn("worker %u: %u connections still open after the drain time: reset",
			 w->index, w->conns_count);
	while (!LIST_EMPTY(&w->conns))
		conn_abort(LIST_FIRST(&w->conns), KEDGE_REASON_drain_deadline);
}

static void drain_begin(struct worker *w)
{
	struct conn *c, *next;

	if (w->draining)
		return;
	w->draining = true;
	leg_pool_clear(&w->legs);
	for (size_t i = 0; w->doors && i < w->doors->count; i++)
		door_stop(w->doors->doors[i]);
	for (c = LIST_FIRST(&w->conns); c; c = next) {
		next = LIST_NEXT(c, link);
		conn_drain(c);
	}
	loop_timer_set(&w->loop, &w->drain_timer,
		       w->doors ? w->doors->generation->conf->drain_timeout_ms : 0);
	loop_later(&w->loop, &w->bury); /* ends the loop when nothing is open */
}

static void say_done(struct worker *w)
{
	uint64_t one = 1;

	if (write(w->shared->done_fd, &one, sizeof(one)) < 0)
		log_err(errno, "worker %u: main thread cannot be woken", w->index);
}

static void take_posted(struct worker *w)
{
	struct doors *doors = __atomic_load_n(&w->posted, __ATOMIC_ACQUIRE);

	if (!doors)
		return;
	leg_pool_clear(&w->legs); /* they are of the configuration before */
	doors_take(doors, w->doors);
	w->doors = doors;
	__atomic_store_n(&w->posted, NULL, __ATOMIC_RELEASE);
	say_done(w);
}

/* At the end of a turn: no event of a listener that is replaced is left. */
static void obey_run(struct task *task)
{
	struct worker *w = container_of(task, struct worker, obey);

	__atomic_store_n(&w->answered, __atomic_load_n(&w->asked, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
	take_posted(w);
	if (__atomic_exchange_n(&w->servers_asked, false, __ATOMIC_ACQUIRE))
		conn_servers_changed(w);
	if (__atomic_exchange_n(&w->queue_asked, false, __ATOMIC_ACQUIRE))
		conn_queue_call(w);
	if (__atomic_exchange_n(&w->idle_asked, false, __ATOMIC_ACQUIRE)) {
		w->stats->legs_wanted += w->legs.idle_count;
		leg_pool_clear(&w->legs);
	}
	if (__atomic_load_n(&w->closing_asked, __ATOMIC_ACQUIRE))
		w->mover.closing = true;
	if (__atomic_load_n(&w->drain_asked, __ATOMIC_ACQUIRE))
		drain_begin(w);
}

static void wake_ready(struct watch *watch, uint32_t events)
{
	struct worker *w = container_of(watch, struct worker, wake);
	uint64_t n;

	(void)events;
	if (read(w->wake_fd, &n, sizeof(n)) == sizeof(n))
		loop_later(&w->loop, &w->obey);
}

static void accepted(struct acceptor *a, struct service *s, int fd, const union addr *peer)
{
	conn_accept(container_of(a, struct worker, acceptor), s, fd, peer);
}

/* An idle leg has a descriptor. If only other workers have some, accepting pauses meanwhile. */
static bool spare(struct acceptor *a)
{
	struct worker *w = container_of(a, struct worker, acceptor);
	struct leg *l = leg_pool_oldest(&w->legs);

	if (!l) {
		worker_ask_idle(w);
		return false;
	}
	w->stats->legs_wanted++;
	leg_pool_close(&w->legs, l);
	return true;
}

static void acceptor_init(struct worker *w)
{
	w->acceptor = (struct acceptor){
		.loop = &w->loop,
		.limits = w->shared->limits,
		.metrics = w->shared->metrics,
		.stats = w->stats,
		.worker = w->index,
		.accepted = accepted,
		.spare = spare,
	};
}

static int buffers_init(struct worker *w)
{
	/* One read takes at most this much, and one residue keeps at most this much. */
	w->mover.buf_size = RECORD_READ_BYTES;
	/* Kernel TLS sends from these pages: a small response is on one, not on two. */
	w->mover.buf = aligned_alloc(4096, RECORD_READ_BYTES);
	w->mover.stats = w->stats;
	w->mover.metrics = w->metrics;
	w->mover.now_us = &w->loop.now_us;
	w->mover.pipes.max = LIMIT_PIPES_A_WORKER;
	if (record_scratch_open(&w->scratch, w->stats) || !w->mover.buf)
		return -ENOMEM;
	w->scratch.brief = &w->legs.brief;
	return 0;
}

int worker_init(struct worker *w, unsigned index, const struct shared *shared,
		struct kedge_stats *stats)
{
	int err;

	*w = (struct worker){.index = index,
			     .shared = shared,
			     .stats = stats,
			     .metrics = metrics_row(shared->metrics, index),
			     .wake_fd = -1};
	LIST_INIT(&w->conns);
	LIST_INIT(&w->graves);
	acceptor_init(w);
	w->bury.run = bury_run;
	w->obey.run = obey_run;
	w->wake.ready = wake_ready;
	w->drain_timer.expired = drain_expired;
	err = loop_init(&w->loop);
	legs_init(&w->legs, &w->loop, shared->bpf, index, stats, conn_leg_ready);
	conn_queue_init(w);
	w->random = (monotonic_us() << 8 | index) * 0x9e3779b97f4a7c15 | 1;
	if (!err)
		err = buffers_init(w);
	if (err)
		return log_err(err, "worker %u: cannot be set up", index);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd < 0 || loop_add(&w->loop, w->wake_fd, &w->wake, EPOLLIN) < 0)
		return log_err(errno, "worker %u: cannot be set up", index);
	return 0;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	char name[16];

	snprintf(name, sizeof(name), "kedge/%u", w->index);
	pthread_setname_np(pthread_self(), name);
	loop_run(&w->loop);
	__atomic_store_n(&w->ended, true, __ATOMIC_RELEASE);
	say_done(w);
	return NULL;
}

int worker_start(struct worker *w)
{
	int err = pthread_create(&w->thread, NULL, worker_main, w);

	if (err)
		return log_err(err, "worker %u: thread cannot be started", w->index);
	w->started = true;
	return 0;
}

void worker_post(struct worker *w, struct doors *doors)
{
	if (!w->started) {
		doors_take(doors, w->doors);
		w->doors = doors;
		return;
	}
	__atomic_store_n(&w->posted, doors, __ATOMIC_RELEASE);
	worker_wake(w);
}

bool worker_waits(const struct worker *w)
{
	return __atomic_load_n(&w->posted, __ATOMIC_ACQUIRE) != NULL;
}

void worker_drain(struct worker *w)
{
	__atomic_store_n(&w->drain_asked, true, __ATOMIC_RELEASE);
	worker_wake(w);
}

void worker_closing(struct worker *w)
{
	__atomic_store_n(&w->closing_asked, true, __ATOMIC_RELEASE);
	worker_wake(w);
}

void worker_servers(struct worker *w)
{
	__atomic_store_n(&w->servers_asked, true, __ATOMIC_RELEASE);
	worker_wake(w);
}

void worker_ask(struct worker *w)
{
	__atomic_add_fetch(&w->asked, 1, __ATOMIC_RELEASE);
	worker_wake(w);
}

bool worker_answered(const struct worker *w)
{
	return __atomic_load_n(&w->ended, __ATOMIC_ACQUIRE) ||
	       __atomic_load_n(&w->answered, __ATOMIC_ACQUIRE) ==
		       __atomic_load_n(&w->asked, __ATOMIC_RELAXED);
}

void worker_fini(struct worker *w)
{
	if (w->started)
		pthread_join(w->thread, NULL);
	doors_free(w->posted);
	doors_free(w->doors);
	pipes_fini(&w->mover.pipes);
	free(w->mover.buf);
	legs_fini(&w->legs);
	record_scratch_close(&w->scratch);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	loop_fini(&w->loop);
}
