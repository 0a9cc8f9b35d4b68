/* A worker thread. See worker.h. */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

/*
 * One read takes at most this much, and one residue keeps at most this much. Larger buffers save
 * system calls on bodies; the scratch for ciphertext has room for what OpenSSL adds per 16 KiB
 * record.
 */
#define MOVER_BYTES   (128 * 1024)
#define SCRATCH_BYTES (MOVER_BYTES + 16 * 1024)

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

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
	for (size_t i = 0; i < w->listeners_count; i++)
		listener_stop(&w->listeners[i], &w->loop);
	for (c = LIST_FIRST(&w->conns); c; c = next) {
		next = LIST_NEXT(c, link);
		conn_drain(c);
	}
	loop_timer_set(&w->loop, &w->drain_timer, w->shared->conf->drain_timeout_ms);
	loop_later(&w->loop, &w->bury); /* ends the loop when nothing is open */
}

static void wake_ready(struct watch *watch, uint32_t events)
{
	struct worker *w = container_of(watch, struct worker, wake);
	uint64_t n;

	(void)events;
	if (read(w->wake_fd, &n, sizeof(n)) == sizeof(n))
		drain_begin(w);
}

static int buffers_init(struct worker *w)
{
	w->mover.buf_size = MOVER_BYTES;
	w->mover.buf = malloc(MOVER_BYTES);
	w->scratch.in_size = SCRATCH_BYTES;
	w->scratch.in = malloc(SCRATCH_BYTES);
	w->scratch.out_size = SCRATCH_BYTES;
	w->scratch.out = malloc(SCRATCH_BYTES);
	w->mover.stats = w->scratch.stats = w->stats;
	w->mover.metrics = w->metrics;
	w->mover.now_us = &w->loop.now_us;
	return w->mover.buf && w->scratch.in && w->scratch.out ? 0 : -ENOMEM;
}

static int listeners_init(struct worker *w, const int *fds)
{
	const struct conf *conf = w->shared->conf;

	w->listeners = calloc(conf->listeners_count, sizeof(*w->listeners));
	if (!w->listeners)
		return -ENOMEM;
	w->listeners_count = conf->listeners_count;
	for (size_t i = 0; i < w->listeners_count; i++)
		w->listeners[i].fd = fds[i];
	for (size_t i = 0; i < w->listeners_count; i++) {
		struct listener *l = &w->listeners[i];
		union addr bound = {0};
		socklen_t len = sizeof(bound);
		int err;

		l->worker = w;
		l->conf = &conf->listeners[i];
		if (getsockname(l->fd, &bound.sa, &len) == 0)
			l->port = addr_port(&bound);
		addr_format(l->name, &bound);
		l->metrics = metrics_listener(w->shared->metrics, l->name, w->index);
		if (!l->metrics)
			return log_err(ENOMEM, "listener %s: no room for its counts", l->name);
		if (l->conf->tls) {
			err = tls_ctx_new(&l->tls, l->conf->certs, l->conf->certs_count,
					  &w->shared->tls);
			if (err)
				return err;
		}
		err = listener_start(l, &w->loop);
		if (err)
			return log_err(err, "listener %s: cannot be watched", l->conf->name);
	}
	return 0;
}

int worker_init(struct worker *w, unsigned index, const struct shared *shared,
		struct kedge_stats *stats, const int *fds)
{
	int err;

	*w = (struct worker){.index = index,
			     .shared = shared,
			     .stats = stats,
			     .metrics = metrics_row(shared->metrics, index),
			     .wake_fd = -1};
	LIST_INIT(&w->conns);
	LIST_INIT(&w->graves);
	w->bury.run = bury_run;
	w->wake.ready = wake_ready;
	w->drain_timer.expired = drain_expired;
	err = loop_init(&w->loop);
	if (!err)
		err = buffers_init(w);
	if (err)
		return log_err(err, "worker %u: cannot be set up", index);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd < 0 || loop_add(&w->loop, w->wake_fd, &w->wake, EPOLLIN) < 0)
		return log_err(errno, "worker %u: cannot be set up", index);
	return listeners_init(w, fds);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	uint64_t one = 1;
	char name[16];

	snprintf(name, sizeof(name), "kedge/%u", w->index);
	pthread_setname_np(pthread_self(), name);
	loop_run(&w->loop);
	__atomic_store_n(&w->ended, true, __ATOMIC_RELEASE);
	if (write(w->shared->done_fd, &one, sizeof(one)) < 0)
		log_err(errno, "worker %u: cannot say that it ended", w->index);
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

void worker_drain(struct worker *w)
{
	uint64_t one = 1;

	if (w->started && write(w->wake_fd, &one, sizeof(one)) < 0)
		log_err(errno, "worker %u: cannot be woken", w->index);
}

void worker_fini(struct worker *w)
{
	if (w->started)
		pthread_join(w->thread, NULL);
	for (size_t i = 0; i < w->listeners_count; i++) {
		tls_ctx_free(w->listeners[i].tls);
		if (w->listeners[i].fd >= 0)
			close(w->listeners[i].fd);
	}
	free(w->listeners);
	free(w->mover.buf);
	free(w->scratch.in);
	free(w->scratch.out);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	loop_fini(&w->loop);
}
