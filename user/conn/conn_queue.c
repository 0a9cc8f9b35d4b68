/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections that wait for a server. See conn_queue.h. */
#include "conn/conn_queue.h"

#include "app/leg_pool.h"
#include "base/container_of.h"
#include "conn/worker_wake.h"

/* A worker looks by itself as often as its wheel of timers can. */
#define LOOK_MS 1

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
 * --- who may have a place ----------------------------------------------------------------------
 */

/* The worker whose connection has waited for this server for longest. `rows_count`: none has. */
static unsigned who_waits(const struct server *s)
{
	uint64_t oldest = UINT64_MAX;
	unsigned who = s->rows_count;

	for (unsigned i = 0; i < s->rows_count; i++) {
		uint64_t since = __atomic_load_n(&s->rows[i].waits_ms, __ATOMIC_RELAXED);

		if (!since || since >= oldest)
			continue;
		oldest = since;
		who = i;
	}
	return who;
}

bool conn_queue_others_wait(const struct worker *w, const struct server *s)
{
	unsigned who;

	if (!__atomic_load_n(&s->wanted, __ATOMIC_RELAXED))
		return false;
	who = who_waits(s);
	return who != w->index && who < s->rows_count;
}

static void call_other(struct worker *w)
{
	__atomic_store_n(&w->queue_asked, true, __ATOMIC_RELEASE);
	worker_wake(w);
}

/* A place at the server is free. */
static void call_for(struct worker *w, const struct server *s)
{
	unsigned who;

	if (!__atomic_load_n(&s->wanted, __ATOMIC_RELAXED))
		return;
	who = who_waits(s);
	if (who == w->index)
		conn_queue_call(w);
	else if (who < s->rows_count && w->shared->workers)
		call_other(&w->shared->workers[who]);
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

/* Closes those of the pool that a client of another worker waits for. */
static void pool_call(struct worker *w)
{
	struct leg *l, *next;

	for (l = leg_pool_oldest(&w->legs); l; l = next) {
		struct server *s = l->server;

		next = TAILQ_NEXT(l, idle_link);
		if (!conn_queue_others_wait(w, s))
			continue;
		w->stats->legs_wanted++;
		leg_pool_close(&w->legs, l);
		call_for(w, s);
	}
}

/* Runs those whose legs others wait for: they give them up. */
static void idle_call(struct worker *w)
{
	struct conn *c;

	TAILQ_FOREACH(c, &w->idle, queue_link)
		if (is_wanted(c->flow.leg))
			loop_later(&w->loop, &c->again);
	pool_call(w);
}

/* --- those that wait -------------------------------------------------------------------------- */

/* Tells the other workers since when somebody has waited here for these servers. */
static void publish(struct worker *w, const struct servers *s)
{
	uint64_t since = 0;
	struct conn *c;

	TAILQ_FOREACH(c, &w->queue, queue_link) {
		if (conn_servers(c) != s)
			continue;
		since = c->connect_ms;
		break;
	}
	for (size_t i = 0; i < s->count; i++)
		__atomic_store_n(&s->set[i]->rows[w->index].waits_ms, since, __ATOMIC_RELAXED);
}

/*
 * Runs those whose servers have room, the oldest first, up to `most`. Most of a long queue waits
 * for one application: that it is full is found out once.
 */
static void queue_call(struct worker *w, unsigned most)
{
	const struct servers *full = NULL;
	struct conn *c;

	TAILQ_FOREACH(c, &w->queue, queue_link) {
		if (!most)
			break;
		if (conn_servers(c) == full)
			continue;
		if (servers_have_room(conn_servers(c), w->index)) {
			loop_later(&w->loop, &c->again);
			most--;
		} else {
			full = conn_servers(c);
		}
	}
}

void conn_queue_call(struct worker *w)
{
	queue_call(w, 1);
}

static void look(struct timer *timer)
{
	struct worker *w = container_of(timer, struct worker, queue_timer);

	queue_call(w, UINT32_MAX);
	idle_call(w);
	if (!TAILQ_EMPTY(&w->queue) || !TAILQ_EMPTY(&w->idle) || w->legs.idle_count)
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

bool conn_queue_enter(struct conn *c)
{
	struct worker *w = c->worker;

	if (c->queue == QUEUE_WAITS)
		return true;
	if (!servers_wait(conn_servers(c)))
		return false;
	TAILQ_INSERT_TAIL(&w->queue, c, queue_link);
	c->queue = QUEUE_WAITS;
	publish(w, conn_servers(c));
	idle_call(w);
	loop_timer_set(&w->loop, &w->queue_timer, LOOK_MS);
	return true;
}

void conn_queue_leave(struct conn *c)
{
	if (c->queue == QUEUE_WAITS) {
		servers_wait_over(conn_servers(c));
		TAILQ_REMOVE(&c->worker->queue, c, queue_link);
		publish(c->worker, conn_servers(c));
	} else if (c->queue == QUEUE_IDLE) {
		TAILQ_REMOVE(&c->worker->idle, c, queue_link);
	}
	c->queue = QUEUE_NONE;
}

/* --- a place is free -------------------------------------------------------------------------- */

void conn_queue_leg_closed(struct conn *c, struct server *s)
{
	if (c->queue == QUEUE_IDLE)
		conn_queue_leave(c);
	if (s)
		call_for(c->worker, s);
}

void conn_queue_leg_idle(struct conn *c)
{
	struct worker *w = c->worker;

	if (c->queue == QUEUE_IDLE)
		conn_queue_leave(c);
	if (!is_limited(c))
		return;
	conn_queue_call(w);
	if (!w->queue_timer.due_ms)
		loop_timer_set(&w->loop, &w->queue_timer, LOOK_MS);
}
