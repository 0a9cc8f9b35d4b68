/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections that wait for a server. See conn_queue.h. */
#include "conn/conn_queue.h"

#include "base/container_of.h"

/* A worker looks so often whether a server has room. */
#define LOOK_MS 10

static bool is_limited(const struct conn *c)
{
	return conn_servers(c)->conf->server_connections_max;
}

/* For the server of this leg, under any configuration. */
static bool is_wanted(const struct leg *l)
{
	return __atomic_load_n(&l->server->wanted, __ATOMIC_RELAXED);
}

/*
 * --- legs that are idle ------------------------------------------------------------------------
 */

static void idle_insert(struct worker *w, struct conn *c)
{
	TAILQ_INSERT_TAIL(&w->idle, c, queue_link);
	c->queue = QUEUE_IDLE;
	if (!w->queue_timer.due_ms)
		loop_timer_set(&w->loop, &w->queue_timer, LOOK_MS);
}

bool conn_queue_note(struct conn *c, bool busy)
{
	struct leg *l = c->flow.leg;

	leg_set_busy(&c->worker->legs, l, busy);
	if (busy) {
		conn_queue_leave(c);
		return false;
	}
	if (!server_is_ready(l->server))
		return true;
	if (!is_limited(c))
		return false;
	if (is_wanted(l))
		return true;
	if (c->queue == QUEUE_NONE)
		idle_insert(c->worker, c);
	return false;
}

/* Runs those whose legs others wait for: they give them up. */
static void idle_call(struct worker *w)
{
	struct conn *c;

	TAILQ_FOREACH(c, &w->idle, queue_link)
		if (is_wanted(c->flow.leg))
			loop_later(&w->loop, &c->again);
}

/* --- those that wait -------------------------------------------------------------------------- */

/*
 * Runs those whose servers have room, the oldest first. Most of a long queue waits for one
 * application: that it is full is found out once.
 */
static void queue_call(struct worker *w)
{
	const struct servers *full = NULL;
	struct conn *c;

	TAILQ_FOREACH(c, &w->queue, queue_link) {
		if (conn_servers(c) == full)
			continue;
		if (servers_have_room(conn_servers(c)))
			loop_later(&w->loop, &c->again);
		else
			full = conn_servers(c);
	}
}

static void look(struct timer *timer)
{
	struct worker *w = container_of(timer, struct worker, queue_timer);

	queue_call(w);
	idle_call(w);
	if (!TAILQ_EMPTY(&w->queue) || !TAILQ_EMPTY(&w->idle))
		loop_timer_set(&w->loop, &w->queue_timer, LOOK_MS);
}

void conn_queue_init(struct worker *w)
{
	TAILQ_INIT(&w->queue);
	TAILQ_INIT(&w->idle);
	w->queue_timer.expired = look;
}

bool conn_queue_is_due(const struct conn *c)
{
	return is_limited(c) && c->queue == QUEUE_NONE &&
	       __atomic_load_n(&conn_servers(c)->waiting, __ATOMIC_RELAXED);
}

/* As soon as the wheel of timers can. */
static void look_soon(struct worker *w)
{
	if (!TAILQ_EMPTY(&w->queue))
		loop_timer_set(&w->loop, &w->queue_timer, 0);
}

bool conn_queue_enter(struct conn *c)
{
	struct worker *w = c->worker;

	if (c->queue == QUEUE_WAITS)
		return true;
	if (!servers_wait(conn_servers(c)))
		return false;
	TAILQ_INSERT_TAIL(&w->queue, c, queue_link);
	c->queue = QUEUE_WAITS;
	idle_call(w);
	look_soon(w);
	return true;
}

void conn_queue_leave(struct conn *c)
{
	if (c->queue == QUEUE_WAITS) {
		servers_wait_over(conn_servers(c));
		TAILQ_REMOVE(&c->worker->queue, c, queue_link);
	} else if (c->queue == QUEUE_IDLE) {
		TAILQ_REMOVE(&c->worker->idle, c, queue_link);
	}
	c->queue = QUEUE_NONE;
}

void conn_queue_leg_closed(struct conn *c)
{
	if (c->queue == QUEUE_IDLE)
		conn_queue_leave(c);
	look_soon(c->worker);
}
