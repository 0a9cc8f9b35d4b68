/* SPDX-License-Identifier: BSD-2-Clause */
/* A client that has asked for nothing yet, or has its answers, holds no leg. See conn_idle.h. */
#include "conn/conn_idle.h"

#include <errno.h>

#include "app/leg_pool.h"
#include "conn/conn_head.h"
#include "conn/conn_leg.h"
#include "conn/conn_reply.h"
#include "conn/mover_lease.h"
#include "conn/mover_up.h"

/* When an early leg has been idle for too long; 0: there is none. */
static uint64_t leg_due_ms(const struct conn *c)
{
	const struct leg *l = c->flow.leg;

	return l ? l->connect_began_us / 1000 + conn_conf(c)->app_idle_timeout_ms : 0;
}

static uint64_t idle_due_ms(const struct conn *c)
{
	return c->active_ms + conn_conf(c)->idle_timeout_ms;
}

static void set_timer(struct conn *c)
{
	struct loop *loop = &c->worker->loop;
	uint64_t due = idle_due_ms(c), leg_due = leg_due_ms(c);

	if (leg_due && leg_due < due)
		due = leg_due;
	if (c->head_ms && c->head_ms + conn_conf(c)->head_timeout_ms < due)
		due = c->head_ms + conn_conf(c)->head_timeout_ms;
	if (c->flow.record->look_again && c->active_ms + CONN_QUIET_LOOK_MS < due)
		due = c->active_ms + CONN_QUIET_LOOK_MS;
	if (c->worker->draining && loop->now_ms + CONN_DRAIN_LOOK_MS < due)
		due = loop->now_ms + CONN_DRAIN_LOOK_MS;
	loop_timer_set(loop, &c->timer, due > loop->now_ms ? due - loop->now_ms : 0);
}

struct conn_verdict conn_idle_enter(struct conn *c, bool parts)
{
	struct flow *f = &c->flow;

	c->head = NULL;
	if (!parts) {
		c->active_ms = c->worker->loop.now_ms;
		f->client_in = true; /* bytes may have come before and with the handshake */
		return conn_idle_run(c);
	}
	if (f->leg->eof && !f->leg->reset && !residue_any(&f->up))
		leg_closed_idle(&c->worker->legs, f->leg);
	if (f->again && f->leg->before)
		leg_pool_doubt(&c->worker->legs, f->leg);
	c->avoid = f->again ? (uint8_t)(f->leg->index + 1) : 0;
	conn_leg_give_back(c);
	c->head_ms = c->body_due_ms = c->answer_ms = c->take_due_ms = 0;
	c->body_index = 0;
	c->body_begun = false;
	sent_drop(&f->sent);
	set_timer(c);
	if (f->client_in || f->client_flush || residue_any(&f->up))
		loop_later(&c->worker->loop, &c->again);
	return verdict_stay();
}

static struct conn_verdict fault(const struct conn *c)
{
	const struct record *r = c->flow.record;

	return r->told ? verdict_of(CONN_LINGER, CONN_ALERT, record_death(r))
		       : verdict_reset(record_death(r));
}

/* Sends what the record layer holds. 0, or its error. */
static int flush(struct flow *f)
{
	bool held = f->record->answer_due;
	int r = record_flush(f->record);

	if (r == -EAGAIN)
		return 0;
	f->client_flush = false;
	f->client_in |= held;
	return r;
}

/* The client has ended. */
static struct conn_verdict client_ended(struct conn *c)
{
	if (conn_head_begun(c))
		return verdict_reset(KEDGE_REASON_client_truncated);
	c->worker->stats->health_checks += !conn_requests(c);
	return verdict_finish(KEDGE_REASON_NONE);
}

/* There are bytes of a request. Are they enough for a leg? */
static struct conn_verdict look(struct conn *c)
{
	if (conn_head_may_go(c))
		return verdict_next(CONN_CONNECT);
	if (!c->head_ms && conn_head_begun(c))
		c->head_ms = c->worker->loop.now_ms;
	if (c->flow.client_in)
		loop_later(&c->worker->loop, &c->again);
	set_timer(c);
	return verdict_stay();
}

/* Takes the first bytes of a request, or more of its head. */
static struct conn_verdict hear(struct conn *c)
{
	struct flow *f = &c->flow;
	struct mover *m = &c->worker->mover;
	ssize_t n = mover_take(m, f, CONN_HEAD_WAITS_MAX - (f->up.len - f->up.off));

	if (n == -EAGAIN) {
		if (c->client_error)
			return verdict_reset(KEDGE_REASON_client_reset);
		set_timer(c);
		return verdict_stay();
	}
	if (n == -EINTR) {
		loop_later(&c->worker->loop, &c->again);
		return verdict_stay();
	}
	if (n < 0)
		return fault(c);
	if (n == 0)
		return client_ended(c);
	c->active_ms = c->worker->loop.now_ms;
	return residue_add(&f->up, m->buf, (size_t)n) ? look(c)
						      : verdict_reset(KEDGE_REASON_no_memory);
}

/* It ends while the head waits: the access log says so. */
static struct conn_verdict told(struct conn *c, struct conn_verdict v)
{
	if (v.next != CONN_STAY && v.next != CONN_CONNECT)
		conn_head_log(c);
	return v;
}

static struct conn_verdict head_late(struct conn *c)
{
	return told(c, conn_tell(c, KEDGE_REASON_head_timeout));
}

struct conn_verdict conn_idle_run(struct conn *c)
{
	struct flow *f = &c->flow;

	if (f->client_flush && flush(f) < 0)
		return told(c, fault(c));
	if (residue_any(&f->up) && !c->head)
		return look(c);
	return f->client_in ? told(c, hear(c)) : verdict_stay();
}

void conn_idle_leave(struct conn *c)
{
	conn_head_free(c);
}

struct conn_verdict conn_idle_expired(struct conn *c)
{
	uint64_t now = c->worker->loop.now_ms, leg_due = leg_due_ms(c);

	if (c->head_ms && now >= c->head_ms + conn_conf(c)->head_timeout_ms)
		return head_late(c);
	if (c->worker->draining && !residue_any(&c->flow.up))
		return verdict_finish(KEDGE_REASON_NONE);
	if (leg_due && now >= leg_due)
		conn_leg_close(c, false);
	if (now >= idle_due_ms(c))
		return conn_head_begun(c) ? head_late(c)
					  : verdict_finish(KEDGE_REASON_idle_timeout);
	if (c->flow.record->look_again && now >= c->active_ms + CONN_QUIET_LOOK_MS) {
		c->flow.record->look_again = false;
		c->flow.client_in = true;
		return conn_idle_run(c);
	}
	set_timer(c);
	return verdict_stay();
}
