/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Begins a connection, hands its events and deadlines to the file of its state, and carries out
 * what that says. The only file that changes the state. See conn.h.
 */
#include "conn/conn.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "access/access.h"
#include "app/leg_pool.h"
#include "base/check.h"
#include "base/container_of.h"
#include "base/reset_on_close.h"
#include "base/trace.h"
#include "conn/conn_check.h"
#include "conn/conn_connect.h"
#include "conn/conn_end.h"
#include "conn/conn_idle.h"
#include "conn/conn_late.h"
#include "conn/conn_leg.h"
#include "conn/conn_move.h"
#include "conn/conn_open.h"
#include "conn/conn_queue.h"
#include "conn/conn_reply.h"
#include "conn/conn_why.h"
#include "conn/mover.h"
#include "conn/mover_ask.h"
#include "http/reason.h"
#include "listen/why.h"

/* --- transitions ------------------------------------------------------------------------------ */

#define ROW(state, to) [CONN_##state] = (to),
static const uint16_t goes_to[CONN_STAY] = {CONN_TABLE(ROW)};

/* The loop of go() ends: each state goes further down, or to IDLE, which then stays. */
#define ROW_DESCENDS(state, to)                                                                   \
	_Static_assert(((to) & (2 * CONN_TO(state) - 1) & ~CONN_TO(IDLE)) == 0 &&                 \
			       (to) < CONN_TO(STAY) &&                                            \
			       (CONN_##state == CONN_MOVE || !((to) & (2 * CONN_TO(state) - 1))), \
		       #state " goes to itself or back");
CONN_TABLE(ROW_DESCENDS)

/* Only a fault of kedge's own code can break one of these: no peer, no kernel. */
static void check(const struct conn *c, struct conn_verdict v)
{
	const struct flow *f = &c->flow;

	assert(v.next < CONN_STAY && goes_to[c->state] & 1u << v.next);
	switch ((enum conn_state)v.next) {
	case CONN_HANDSHAKE:
		assert(c->service->tls && !f->record);
		break;
	case CONN_CONNECT:
		assert(f->record && !c->tls);
		break;
	case CONN_IDLE:
		assert(f->record && !c->tls && !conn_is_tcp(c) && !residue_any(&f->down));
		break;
	case CONN_MOVE:
		assert(f->record && flow_is_joined(f) && f->leg->fd >= 0);
		break;
	case CONN_REPLY:
		/* Within another response, an answer would be taken for a part of it. */
		assert(f->record && (v.how == CONN_ORDERLY || !residue_any(&f->down)));
		assert(v.how != CONN_ANSWER || conn_may_answer(c, v.reason));
		break;
	case CONN_LINGER:
		assert(f->client_shut || v.how == CONN_ALERT);
		break;
	case CONN_ACCEPTED:
	case CONN_PREFIX:
	case CONN_CLOSED:
	case CONN_STAY:
		break;
	}
}

static void count_reason(struct conn *c, enum kedge_reason reason)
{
	/* The struct of counters is made of the same list as the enum, in the same order. */
	uint64_t *counters = (uint64_t *)&c->worker->stats->reasons;

	if (reason == KEDGE_REASON_NONE || c->counted)
		return;
	c->counted = true;
	counters[reason - 1]++;
	TRACE_REASON(&c->flow, reason, reason_name(reason));
	conn_why(c, reason);
	if (c->access)
		access_reason(c->access, reason);
}

static struct conn_verdict enter(struct conn *c, enum conn_state from, struct conn_verdict v)
{
	switch ((enum conn_state)v.next) {
	case CONN_PREFIX:
		return conn_prefix_enter(c);
	case CONN_HANDSHAKE:
		return conn_handshake_enter(c, from == CONN_PREFIX);
	case CONN_CONNECT:
		return conn_connect_enter(c);
	case CONN_IDLE:
		return conn_idle_enter(c, from == CONN_MOVE);
	case CONN_MOVE:
		return conn_move_enter(c);
	case CONN_REPLY:
		return conn_reply_enter(c, v.how, v.reason);
	case CONN_LINGER:
		return conn_linger_enter(c, v.how == CONN_ALERT);
	case CONN_CLOSED:
		conn_closed_enter(c, v.how == CONN_CUT);
		break;
	case CONN_ACCEPTED:
	case CONN_STAY:
		break;
	}
	return verdict_stay();
}

/* Makes the transitions that follow from a verdict, until a state stays. */
static void go(struct conn *c, struct conn_verdict v)
{
	do {
		enum conn_state from = c->state;

		check(c, v);
		count_reason(c, v.reason);
		if (from == CONN_HANDSHAKE)
			conn_handshake_leave(c);
		if (from == CONN_IDLE)
			conn_idle_leave(c);
		if (from == CONN_CONNECT)
			conn_connect_leave(c);
		c->state = v.next;
		v = enter(c, from, v);
	} while (v.next != CONN_STAY);
}

/* Most events change no state. */
static inline void carry_out(struct conn *c, struct conn_verdict v)
{
	if (v.next != CONN_STAY)
		go(c, v);
	CHECKED(conn_check_event(c));
}

/* --- events ----------------------------------------------------------------------------------- */

static struct conn_verdict client_event(struct conn *c, uint32_t events)
{
	switch ((enum conn_state)c->state) {
	case CONN_PREFIX:
		return conn_prefix_run(c, events);
	case CONN_HANDSHAKE:
		return conn_handshake_run(c);
	case CONN_CONNECT: /* the flow remembers it: read once the legs are joined */
		/* An error alone is one of the record layer, which has an alert for it. */
		if (events & EPOLLHUP)
			return verdict_reset(KEDGE_REASON_client_reset);
		break;
	case CONN_IDLE:
		return conn_idle_run(c);
	case CONN_MOVE:
		return conn_move_run(c);
	case CONN_REPLY:
		if (events & EPOLLOUT)
			return conn_reply_run(c);
		if (events & (EPOLLERR | EPOLLHUP))
			return verdict_reset(KEDGE_REASON_client_reset);
		break;
	case CONN_LINGER:
		return conn_linger_run(c);
	case CONN_ACCEPTED:
	case CONN_CLOSED:
	case CONN_STAY:
		break;
	}
	return verdict_stay();
}

static void client_ready(struct watch *watch, uint32_t events)
{
	struct conn *c = container_of(watch, struct conn, client_watch);

	if (events & EPOLLOUT && c->flow.client_full) /* it has taken something */
		c->active_ms = c->worker->loop.now_ms;
	c->client_error |= !!(events & EPOLLERR); /* it is told once, maybe before MOVE */
	mover_client_event(&c->flow, events);
	carry_out(c, client_event(c, events));
}

static struct conn_verdict leg_event(struct conn *c, uint32_t events)
{
	switch ((enum conn_state)c->state) {
	case CONN_HANDSHAKE:
	case CONN_IDLE:
		conn_connect_early_event(c, events);
		break;
	case CONN_CONNECT:
		return conn_connect_event(c, events);
	case CONN_MOVE:
		if (events & EPOLLOUT && c->flow.leg->full) /* it has taken something */
			c->active_ms = c->worker->loop.now_ms;
		mover_app_event(&c->flow, events);
		return conn_move_run(c);
	case CONN_ACCEPTED:
	case CONN_PREFIX:
	case CONN_REPLY:
	case CONN_LINGER:
	case CONN_CLOSED:
	case CONN_STAY:
		break;
	}
	return verdict_stay();
}

void conn_leg_ready(struct watch *watch, uint32_t events)
{
	struct conn *c = container_of(watch, struct leg, watch)->owner;

	if (c) /* else the leg was closed in this turn */
		carry_out(c, leg_event(c, events));
}

static void again_run(struct task *task)
{
	struct conn *c = container_of(task, struct conn, again);

	if (c->state == CONN_HANDSHAKE)
		carry_out(c, conn_handshake_run(c));
	else if (c->state == CONN_IDLE)
		carry_out(c, conn_idle_run(c));
	else if (c->state == CONN_CONNECT && c->queue == QUEUE_WAITS)
		carry_out(c, conn_connect_again(c));
	else if (c->state == CONN_MOVE)
		carry_out(c, conn_move_run(c));
	else if (c->state == CONN_LINGER)
		carry_out(c, conn_linger_run(c));
}

static struct conn_verdict expiry(struct conn *c)
{
	switch ((enum conn_state)c->state) {
	case CONN_PREFIX:
		return conn_prefix_expired(c);
	case CONN_HANDSHAKE:
		return conn_handshake_expired(c);
	case CONN_CONNECT:
		return conn_connect_expired(c);
	case CONN_IDLE:
		return conn_idle_expired(c);
	case CONN_MOVE:
		return conn_move_expired(c);
	case CONN_REPLY:
		return conn_reply_expired(c);
	case CONN_LINGER:
		return conn_linger_expired(c);
	case CONN_ACCEPTED:
	case CONN_CLOSED:
	case CONN_STAY:
		break;
	}
	return verdict_stay();
}

static void expired(struct timer *timer)
{
	struct conn *c = container_of(timer, struct conn, timer);

	carry_out(c, expiry(c));
}

/* --- begin ------------------------------------------------------------------------------------ */

/* There is no memory for the connection, or no room for its watch. Nobody else would tell of it. */
static void cannot_begin(struct worker *w, struct service *s, int fd, const union addr *peer)
{
	struct why why = {.reason = KEDGE_REASON_no_memory, .listener = s->conf->name};

	reset_on_close(fd);
	close(fd);
	service_leave(s);
	w->stats->accepted++;
	w->stats->closed++;
	w->stats->reasons.no_memory++;
	s->metrics->accepted++;
	s->metrics->closed++;
	why.client = *peer;
	if (why_wanted(&why, s->tally, w->loop.now_ms))
		why_say(&why);
}

void conn_accept(struct worker *w, struct service *s, int fd, const union addr *peer)
{
	const struct conf_cidrs *trust = &s->conf->trust;
	struct conn *c = calloc(1, sizeof(*c)); /* ACCEPTED */

	if (!c || loop_add(&w->loop, fd, &c->client_watch, CONN_EVENTS) < 0) {
		free(c);
		cannot_begin(w, s, fd, peer);
		return;
	}
	c->worker = w;
	c->service = service_get(s);
	c->client_fd = fd;
	c->client_watch.ready = client_ready;
	c->again.run = again_run;
	c->timer.expired = expired;
	c->client = addr_to_inet(peer);
	c->port = s->port;
	c->trusted = !trust->count || cidr_match(trust->set, trust->count, peer);
	LIST_INSERT_HEAD(&w->conns, c, link);
	w->conns_count++;
	w->stats->accepted++;
	s->metrics->accepted++;
	TRACE_ACCEPT(&c->flow, peer, s->name);
	carry_out(c, s->conf->proxy == PROXY_PREFIX_OFF ? conn_client_known(c)
							: verdict_next(CONN_PREFIX));
}

/* --- end -------------------------------------------------------------------------------------- */

void conn_servers_changed(struct worker *w)
{
	struct leg *l, *next;
	struct conn *c;

	LIST_FOREACH(c, &w->conns, link)
		if (c->state == CONN_MOVE && !server_is_ready(c->flow.leg->server))
			loop_later(&w->loop, &c->again);
	for (l = leg_pool_oldest(&w->legs); l; l = next) {
		next = TAILQ_NEXT(l, idle_link);
		if (!server_is_ready(l->server))
			leg_pool_close(&w->legs, l);
	}
	conn_queue_call(w);
}

void conn_drain_over(struct worker *w)
{
	struct conn *c, *next;

	for (c = LIST_FIRST(&w->conns); c; c = next) {
		next = LIST_NEXT(c, link);
		if (c->state == CONN_LINGER)
			carry_out(c, verdict_next(CONN_CLOSED));
	}
}

void conn_drain(struct conn *c)
{
	bool idle = c->state == CONN_IDLE ? !residue_any(&c->flow.up)
					  : c->state == CONN_MOVE && mover_idle(&c->flow);

	if (idle && conn_requests(c))
		carry_out(c, verdict_finish(KEDGE_REASON_NONE));
	/* Its first bytes, and with them a request, may be on the way. */
	else if (idle || c->state == CONN_PREFIX || c->state == CONN_HANDSHAKE)
		loop_timer_set(&c->worker->loop, &c->timer, CONN_DRAIN_LOOK_MS);
}

void conn_abort(struct conn *c, enum kedge_reason reason)
{
	carry_out(c, verdict_reset(reason));
}

void conn_bury(struct worker *w)
{
	struct conn *c, *next;

	for (c = LIST_FIRST(&w->graves); c; c = next) {
		next = LIST_NEXT(c, link);
		if (c->again.queued) { /* still on the list of tasks: next turn */
			loop_later(&w->loop, &w->bury);
			continue;
		}
		LIST_REMOVE(c, link);
		service_put(c->service);
		free(c);
	}
}
