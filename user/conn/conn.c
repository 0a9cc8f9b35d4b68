/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Begins a connection, and hands its events and deadlines to the file of its state. See conn.h for
 * the state table.
 */
#include "conn/conn_private.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/container_of.h"
#include "listen/service.h"
#include "base/trace.h"

void conn_enter(struct conn *c, enum conn_state state, uint32_t timeout_ms)
{
	c->state = (uint8_t)state;
	loop_timer_set(&c->worker->loop, &c->timer, timeout_ms);
}

/* --- events ----------------------------------------------------------------------------------- */

static void client_ready(struct watch *watch, uint32_t events)
{
	struct conn *c = container_of(watch, struct conn, client_watch);

	if (events & EPOLLOUT && c->flow.client_full) /* it has taken something */
		c->active_ms = c->worker->loop.now_ms;
	mover_client_event(&c->flow, events);
	switch ((enum conn_state)c->state) {
	case CONN_PREFIX:
		conn_prefix_run(c, events);
		break;
	case CONN_HANDSHAKE:
		conn_handshake_run(c);
		break;
	case CONN_CONNECT: /* remembered by the socket: read once the legs are joined */
		/* An error alone is one of the record layer, which has an alert for it. */
		if (events & EPOLLHUP)
			conn_abort(c, KEDGE_REASON_client_reset);
		break;
	case CONN_MOVE:
		c->client_error |= !!(events & EPOLLERR);
		conn_move_run(c);
		break;
	case CONN_REPLY:
		if (events & EPOLLOUT)
			conn_reply_run(c);
		else if (events & (EPOLLERR | EPOLLHUP))
			conn_abort(c, KEDGE_REASON_client_reset);
		break;
	case CONN_LINGER:
		conn_linger_read(c);
		break;
	case CONN_HEAR:
		conn_hear_run(c);
		break;
	case CONN_CLOSED:
		break;
	}
}

static void app_ready(struct watch *watch, uint32_t events)
{
	struct conn *c = container_of(watch, struct conn, app_watch);

	if (c->state == CONN_HANDSHAKE || c->state == CONN_CONNECT) {
		conn_app_event(c, events);
		return;
	}
	if (c->state != CONN_MOVE)
		return;
	if (events & EPOLLOUT && c->flow.app_full) /* it has taken something */
		c->active_ms = c->worker->loop.now_ms;
	mover_app_event(&c->flow, events);
	conn_move_run(c);
}

static void again_run(struct task *task)
{
	struct conn *c = container_of(task, struct conn, again);

	if (c->state == CONN_HANDSHAKE)
		conn_handshake_run(c);
	else if (c->state == CONN_MOVE)
		conn_move_run(c);
	else if (c->state == CONN_LINGER)
		conn_linger_read(c);
}

static void expired(struct timer *timer)
{
	struct conn *c = container_of(timer, struct conn, timer);

	switch ((enum conn_state)c->state) {
	case CONN_PREFIX:
		if (c->worker->draining)
			conn_close(c); /* see conn_drain() */
		else
			conn_abort(c, KEDGE_REASON_prefix_timeout);
		break;
	case CONN_HANDSHAKE:
		conn_handshake_expired(c);
		break;
	case CONN_CONNECT:
		conn_refuse(c, KEDGE_REASON_app_timeout);
		break;
	case CONN_HEAR: /* it asks for nothing */
		conn_finish(c);
		break;
	case CONN_MOVE:
		conn_move_expired(c);
		break;
	case CONN_REPLY:
		conn_reply_expired(c);
		break;
	case CONN_LINGER:
		conn_linger_expired(c);
		break;
	case CONN_CLOSED:
		break;
	}
}

/* --- begin ------------------------------------------------------------------------------------ */

void conn_accept(struct worker *w, struct service *s, int fd, const union addr *peer)
{
	const struct conf_cidrs *trust = &s->conf->trust;
	struct conn *c = calloc(1, sizeof(*c));

	if (!c || loop_add(&w->loop, fd, &c->client_watch, CONN_EVENTS) < 0) {
		free(c);
		close(fd);
		service_leave(s);
		return;
	}
	c->worker = w;
	c->service = service_get(s);
	c->client_fd = fd;
	c->flow.app_fd = -1;
	c->client_watch.ready = client_ready;
	c->app_watch.ready = app_ready;
	c->again.run = again_run;
	c->timer.expired = expired;
	c->client = *peer;
	c->port = s->port;
	c->trusted = !trust->count || cidr_match(trust->set, trust->count, peer);
	LIST_INSERT_HEAD(&w->conns, c, link);
	w->conns_count++;
	w->stats->accepted++;
	s->metrics->accepted++;
	TRACE_ACCEPT(&c->flow, peer, s->name);
	if (s->conf->proxy == PROXY_PREFIX_OFF)
		conn_client_known(c);
	else
		conn_enter(c, CONN_PREFIX, s->generation->conf->prefix_timeout_ms);
}

void conn_drain_over(struct worker *w)
{
	struct conn *c, *next;

	for (c = LIST_FIRST(&w->conns); c; c = next) {
		next = LIST_NEXT(c, link);
		if (c->state == CONN_LINGER)
			conn_close(c);
	}
}

void conn_drain(struct conn *c)
{
	/* Its first bytes, and with them a request, may be on the way. */
	if (c->state == CONN_PREFIX || c->state == CONN_HANDSHAKE || c->state == CONN_HEAR)
		loop_timer_set(&c->worker->loop, &c->timer, CONN_DRAIN_LOOK_MS);
	else if (c->state == CONN_MOVE && mover_idle(&c->flow)) {
		if (c->flow.edit->note->requests)
			conn_finish(c);
		else
			loop_timer_set(&c->worker->loop, &c->timer, CONN_DRAIN_LOOK_MS);
	}
}
