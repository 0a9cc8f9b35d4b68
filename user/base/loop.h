/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: one worker's event loop: edge-triggered epoll, one timer per owner on a wheel, and
 * work put off to the end of a turn. Single-threaded; knows nothing of connections.
 *
 * I1  A watch or timer is touched only by the loop's own thread. Another one may add a descriptor
 *     for no events.
 * I2  Nothing is freed inside a callback: an owner puts its freeing off with loop_later(), since
 * the same turn may hold more events for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/queue.h>

/* A descriptor's callback; embed it in the owner. `events` are EPOLL*. */
struct watch {
	void (*ready)(struct watch *w, uint32_t events);
};

/*
 * One deadline. loop_timer_set() is cheap when the deadline moves away (it only stores the time;
 * the wheel looks again when the old slot comes round), so call it at every activity.
 */
struct timer {
	LIST_ENTRY(timer) link;
	void (*expired)(struct timer *t);
	uint64_t due_ms;  /* 0: not armed */
	uint64_t slot_ms; /* when the wheel looks at it next; 0: not on the wheel */
};
LIST_HEAD(timer_list, timer);

/* Work put off to the end of the turn; at most once on the list. */
struct task {
	STAILQ_ENTRY(task) link;
	void (*run)(struct task *t);
	bool queued;
};
STAILQ_HEAD(task_list, task);

#define LOOP_TICK_MS 64
#define LOOP_SLOTS   1024

struct loop {
	int epfd;
	bool stop;
	uint64_t now_ms;  /* CLOCK_MONOTONIC at the beginning of the turn */
	uint64_t now_us;  /* the same */
	uint64_t tick;    /* last slot looked at */
	uint64_t soonest; /* no slot before this one holds a timer */
	unsigned timers;  /* on the wheel */
	struct timer_list wheel[LOOP_SLOTS];
	struct task_list tasks;
};

/* 0 or -errno. */
int loop_init(struct loop *l);
void loop_fini(struct loop *l);

/* Adds a descriptor for these EPOLL* events. Closing the descriptor removes it. 0 or -errno. */
int loop_add(struct loop *l, int fd, struct watch *w, uint32_t events);
int loop_mod(struct loop *l, int fd, struct watch *w, uint32_t events);
/* Needed only if another descriptor of the same socket stays open. */
void loop_del(struct loop *l, int fd);

/* Arms or moves a timer to now + ms. */
void loop_timer_set(struct loop *l, struct timer *t, uint64_t ms);
void loop_timer_stop(struct loop *l, struct timer *t);

void loop_later(struct loop *l, struct task *t);

/* Runs turns until l->stop. */
void loop_run(struct loop *l);

/* Between two turns. See base/check.h. */
void loop_check(const struct loop *l);
