/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop of a worker. See loop.h. */
#include "base/loop.h"

#include <errno.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#define EVENTS_PER_TURN 256

static void read_clock(struct loop *l)
{
	l->now_us = monotonic_us();
	l->now_ms = l->now_us / 1000;
}

int loop_init(struct loop *l)
{
	*l = (struct loop){.epfd = epoll_create1(EPOLL_CLOEXEC)};
	if (l->epfd < 0)
		return -errno;
	for (int i = 0; i < LOOP_SLOTS; i++)
		LIST_INIT(&l->wheel[i]);
	STAILQ_INIT(&l->tasks);
	read_clock(l);
	l->tick = l->now_ms / LOOP_TICK_MS;
	l->soonest = UINT64_MAX;
	return 0;
}

void loop_fini(struct loop *l)
{
	if (l->epfd >= 0)
		close(l->epfd);
	l->epfd = -1;
}

int loop_add(struct loop *l, int fd, struct watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	return epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int loop_mod(struct loop *l, int fd, struct watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	return epoll_ctl(l->epfd, EPOLL_CTL_MOD, fd, &ev) < 0 ? -errno : 0;
}

void loop_del(struct loop *l, int fd)
{
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, fd, NULL);
}

/* Puts a timer into the first slot after its deadline, or into the farthest slot there is. */
static void wheel_put(struct loop *l, struct timer *t)
{
	uint64_t tick = t->due_ms / LOOP_TICK_MS + 1;

	if (tick <= l->tick)
		tick = l->tick + 1;
	if (tick > l->tick + LOOP_SLOTS - 1)
		tick = l->tick + LOOP_SLOTS - 1;
	t->slot_ms = tick * LOOP_TICK_MS;
	LIST_INSERT_HEAD(&l->wheel[tick % LOOP_SLOTS], t, link);
	l->timers++;
	if (tick < l->soonest)
		l->soonest = tick;
}

static void wheel_take(struct loop *l, struct timer *t)
{
	LIST_REMOVE(t, link);
	t->slot_ms = 0;
	l->timers--;
}

void loop_timer_set(struct loop *l, struct timer *t, uint64_t ms)
{
	t->due_ms = l->now_ms + ms;
	if (t->slot_ms && t->due_ms >= t->slot_ms)
		return; /* it moved away: the old slot finds it and moves it on */
	if (t->slot_ms)
		wheel_take(l, t);
	wheel_put(l, t);
}

void loop_timer_stop(struct loop *l, struct timer *t)
{
	if (t->slot_ms)
		wheel_take(l, t);
	t->due_ms = 0;
}

void loop_later(struct loop *l, struct task *t)
{
	if (t->queued)
		return;
	t->queued = true;
	STAILQ_INSERT_TAIL(&l->tasks, t, link);
}

/* The first slot after l->tick that holds a timer. */
static void wheel_find_soonest(struct loop *l)
{
	for (uint64_t tick = l->tick + 1; tick < l->tick + LOOP_SLOTS; tick++) {
		if (!LIST_EMPTY(&l->wheel[tick % LOOP_SLOTS])) {
			l->soonest = tick;
			return;
		}
	}
	l->soonest = UINT64_MAX;
}

static void wheel_turn(struct loop *l)
{
	uint64_t until = l->now_ms / LOOP_TICK_MS;

	if (until < l->soonest) {
		l->tick = until;
		return;
	}
	if (until > l->tick + LOOP_SLOTS)
		l->tick = until - LOOP_SLOTS; /* slept for more than a round: each slot once */
	while (l->tick < until) {
		struct timer_list *due = &l->wheel[++l->tick % LOOP_SLOTS];
		struct timer *t;

		/* wheel_put() never chooses the slot of l->tick itself, so this ends. */
		while ((t = LIST_FIRST(due))) {
			wheel_take(l, t);
			if (t->due_ms > l->now_ms) {
				wheel_put(l, t);
				continue;
			}
			t->due_ms = 0;
			t->expired(t);
		}
	}
	wheel_find_soonest(l);
}

/* For epoll_wait(2): until the soonest slot, or for ever. */
static int wheel_wait_ms(const struct loop *l)
{
	uint64_t at;

	if (!l->timers || l->soonest == UINT64_MAX)
		return -1;
	at = l->soonest * LOOP_TICK_MS;
	return at > l->now_ms ? (int)(at - l->now_ms) : 0;
}

static void tasks_run(struct loop *l)
{
	struct task_list now = STAILQ_HEAD_INITIALIZER(now);
	struct task *t;

	/* A task queued by a task runs in the next turn, so that no owner starves the others. */
	STAILQ_CONCAT(&now, &l->tasks);
	while ((t = STAILQ_FIRST(&now))) {
		STAILQ_REMOVE_HEAD(&now, link);
		t->queued = false;
		t->run(t);
	}
}

#ifdef KEDGE_CHECKS
/* Each timer is in the slot of its time, behind the last slot that was looked at. */
static unsigned slot_check(const struct loop *l, unsigned slot)
{
	const struct timer *t;
	unsigned n = 0;

	LIST_FOREACH(t, &l->wheel[slot], link) {
		uint64_t tick = t->slot_ms / LOOP_TICK_MS;

		CHECK(l, ++n <= l->timers); /* else it is a circle */
		CHECK(t, tick % LOOP_SLOTS == slot && t->slot_ms == tick * LOOP_TICK_MS);
		CHECK(t, tick > l->tick && tick < l->tick + LOOP_SLOTS);
		CHECK(t, tick >= l->soonest);
		CHECK(t, t->due_ms && t->expired);
	}
	return n;
}

void loop_check(const struct loop *l)
{
	unsigned timers = 0, tasks = 0;
	const struct task *t, *last = NULL;

	for (unsigned i = 0; i < LOOP_SLOTS; i++)
		timers += slot_check(l, i);
	CHECK(l, timers == l->timers);
	CHECK(l, l->now_ms == l->now_us / 1000);
	CHECK(l, l->tick <= l->now_ms / LOOP_TICK_MS);
	STAILQ_FOREACH(t, &l->tasks, link) {
		CHECK(t, t->queued && t->run);
		CHECK(l, ++tasks < 1u << 24); /* else it is a circle */
		last = t;
	}
	CHECK_IF(l, last, l->tasks.stqh_last == &last->link.stqe_next);
}

/* A wheel with many timers is looked at once in so many turns. */
#define FEW_TIMERS  8
#define CHECK_TURNS 64

static void turn_check(const struct loop *l)
{
	static _Thread_local unsigned turns;

	if (l->timers <= FEW_TIMERS || ++turns % CHECK_TURNS == 0)
		loop_check(l);
}
#endif

void loop_run(struct loop *l)
{
	struct epoll_event ev[EVENTS_PER_TURN];

	while (!l->stop) {
		int wait = STAILQ_EMPTY(&l->tasks) ? wheel_wait_ms(l) : 0;
		int n = epoll_wait(l->epfd, ev, EVENTS_PER_TURN, wait);

		/*
		 * The process was stopped and continued: handle events from that time before
		 * deadlines.
		 */
		if (n < 0 && errno == EINTR)
			n = epoll_wait(l->epfd, ev, EVENTS_PER_TURN, 0);
		if (n < 0 && errno != EINTR) {
			log_err(errno, "event loop: epoll_wait failed: this worker ends");
			return;
		}
		read_clock(l);
		for (int i = 0; i < n; i++) {
			struct watch *w = ev[i].data.ptr;

			w->ready(w, ev[i].events);
		}
		wheel_turn(l);
		tasks_run(l);
		CHECKED(turn_check(l));
	}
}
