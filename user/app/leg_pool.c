/* SPDX-License-Identifier: BSD-2-Clause */
/* Idle legs that any client may have next. See leg_pool.h. */
#include "app/leg_pool.h"

#include "app/leg_proof.h"
#include "base/check.h"
#include "base/container_of.h"
#include "http/edit.h"

#define EVENTS_READ (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)

static struct server_row *row_of(const struct legs *legs, const struct server *s)
{
	CHECKED(CHECK(s, legs->worker < s->rows_count));
	return &s->rows[legs->worker];
}

/* Others read both. */
static void set_idle(struct legs *legs, struct server_row *row, int by)
{
	__atomic_store_n(&legs->idle_count, legs->idle_count + (unsigned)by, __ATOMIC_RELAXED);
	__atomic_store_n(&row->idle, row->idle + (uint32_t)by, __ATOMIC_RELAXED);
}

#ifdef KEDGE_CHECKS
static void pooled_check(const struct legs *legs, const struct leg *l)
{
	CHECK(l, l->pool == legs && !l->owner && l->server && !l->busy && l->fd >= 0);
	CHECK(l, l->edit && l->edit->note->standing == KEDGE_BETWEEN && !l->edit->holds);
	CHECK(l, !response_outstanding(&l->response, l->edit->note) && !l->response.begun);
	CHECK(l, response_clean(&l->response) && !l->eof && !l->shut && !l->write_dead);
	CHECK(l, legs->idle_count && row_of(legs, l->server)->idle);
}
#endif

static void leave(struct legs *legs, struct leg *l)
{
	struct server_row *row = row_of(legs, l->server);

	CHECKED(pooled_check(legs, l));
	LIST_REMOVE(l, link);
	TAILQ_REMOVE(&legs->idle, l, idle_link);
	loop_timer_stop(legs->loop, &l->idle_timer);
	l->pool = NULL;
	l->watch.ready = legs->ready;
	set_idle(legs, row, -1);
}

void leg_pool_close(struct legs *legs, struct leg *l)
{
	leave(legs, l);
	leg_close(legs, l, false);
}

/* This one, and those that were given back before it: they have been idle for longer. */
static void close_from(struct legs *legs, struct leg *l)
{
	struct leg *next;

	for (; l; l = next) {
		next = LIST_NEXT(l, link);
		legs->stats->legs_closed++;
		leg_pool_close(legs, l);
	}
}

/* The server has ended one. */
static void close_with_older(struct legs *legs, struct leg *l)
{
	leg_closed_idle(legs, l);
	close_from(legs, l);
}

static void pooled_ready(struct watch *watch, uint32_t events)
{
	struct leg *l = container_of(watch, struct leg, watch);

	if (events & EVENTS_READ && leg_is_stale(l))
		close_with_older(l->pool, l);
}

static void pooled_expired(struct timer *timer)
{
	struct leg *l = container_of(timer, struct leg, idle_timer);

	l->pool->stats->legs_idle++;
	leg_pool_close(l->pool, l);
}

void leg_pool_put(struct legs *legs, struct leg *l, uint32_t most_ms)
{
	struct server_row *row = row_of(legs, l->server);

	leg_set_busy(legs, l, false);
	l->owner = NULL;
	l->pool = legs;
	l->watch.ready = pooled_ready;
	l->idle_timer.expired = pooled_expired;
	l->idle_us = legs->loop->now_us;
	LIST_INSERT_HEAD(&row->idle_legs, l, link);
	TAILQ_INSERT_TAIL(&legs->idle, l, idle_link);
	set_idle(legs, row, 1);
	loop_timer_set(legs->loop, &l->idle_timer, most_ms);
	CHECKED(pooled_check(legs, l));
}

struct leg *leg_pool_take(struct legs *legs, struct server *s, uint64_t most_us)
{
	struct leg *l = LIST_FIRST(&row_of(legs, s)->idle_legs);

	if (!l || legs->loop->now_us - l->served_us > most_us)
		return NULL;
	if (leg_is_stale(l)) {
		close_with_older(legs, l);
		return NULL;
	}
	leave(legs, l);
	return l;
}

void leg_pool_doubt(struct legs *legs, const struct leg *l)
{
	struct leg *other = LIST_FIRST(&row_of(legs, l->server)->idle_legs);

	while (other && other->idle_us > l->idle_us)
		other = LIST_NEXT(other, link);
	close_from(legs, other);
}

struct leg *leg_pool_oldest(const struct legs *legs)
{
	return TAILQ_FIRST(&legs->idle);
}

void leg_pool_clear(struct legs *legs)
{
	struct leg *l;

	while ((l = leg_pool_oldest(legs)))
		leg_pool_close(legs, l);
}
