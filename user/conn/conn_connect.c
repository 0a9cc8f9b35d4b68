/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CONNECT: the socket to the application. An early one that fails is not told to the client: it is
 * closed, and opened again for the first request.
 */
#include "conn/conn_connect.h"

#include <errno.h>

#include "access/access.h"
#include "app/app.h"
#include "base/log.h"
#include "conn/conn_join.h"
#include "conn/conn_leg.h"
#include "conn/conn_reply.h"
#include "conn/mover.h"

/* A lack of source ports is logged this often at most. */
#define PORTS_SAID_MS 10000

/* A full queue of a unix socket is tried again after half of the time so far, within these. */
#define QUEUE_MS_MIN 5
#define QUEUE_MS_MAX 200

/* --- a socket on its way to the application --------------------------------------------------- */

static enum kedge_reason no_socket(int err)
{
	switch (err) {
	case -EMFILE:
	case -ENFILE:
		return KEDGE_REASON_limit_descriptors;
	case -EAFNOSUPPORT: /* its address is IPv6, and this host has none */
		return KEDGE_REASON_app_refused;
	default:
		return KEDGE_REASON_no_memory;
	}
}

/* The application is fine: this host has no port left. */
static void warn_ports(struct conn *c)
{
	struct worker *w = c->worker;

	if (w->ports_said_ms && w->loop.now_ms < w->ports_said_ms + PORTS_SAID_MS)
		return;
	log_warn("application %s: no source port is left for another connection; widen "
		 "net.ipv4.ip_local_port_range (sysctl), or lower connections-max",
		 conn_conf(c)->app_name);
	w->ports_said_ms = w->loop.now_ms;
}

static enum kedge_reason connect_failed(struct conn *c, int err)
{
	if (err != -EADDRNOTAVAIL)
		return KEDGE_REASON_app_refused;
	warn_ports(c);
	return KEDGE_REASON_limit_ports;
}

/* NONE: it is on its way, or the queue is full; or why not. */
static enum kedge_reason leg_connect(struct conn *c)
{
	struct leg *l = c->flow.leg;
	int err = app_connect(l->fd, &conn_conf(c)->app);

	l->queue = err == -EAGAIN;
	if (l->queue)
		return KEDGE_REASON_NONE;
	if (err)
		return connect_failed(c, err);
	if (loop_add(&c->worker->loop, l->fd, &l->watch, CONN_EVENTS) < 0)
		return KEDGE_REASON_no_memory;
	return KEDGE_REASON_NONE;
}

/* As leg_connect(). After a failure there may be a leg, for conn_leg_close(). */
static enum kedge_reason leg_open(struct conn *c)
{
	const struct conf *conf = conn_conf(c);
	struct leg *l = leg_new(&c->worker->legs, c);
	enum kedge_reason reason;
	int fd;

	if (!l)
		return KEDGE_REASON_no_memory;
	c->flow.leg = l;
	conn_leg_choose(c);
	fd = app_socket(&conf->app, l->bypass);
	l->connect_began_us = c->worker->loop.now_us;
	if (fd < 0)
		return no_socket(fd);
	l->fd = fd;
	tcp_alive_towards(fd, &conf->app, &conf->tcp_alive);
	reason = conn_leg_register(c);
	return reason == KEDGE_REASON_NONE ? leg_connect(c) : reason;
}

/* --- early ------------------------------------------------------------------------------------ */

void conn_connect_early(struct conn *c)
{
	/* Not in mode tcp: an application that speaks first, or counts its connections, would
	 * notice. */
	if (c->early || !conn_conf(c)->connect_early || conn_is_tcp(c))
		return;
	c->early = true;
	if (leg_open(c) != KEDGE_REASON_NONE || c->flow.leg->queue)
		conn_leg_close(c, true);
}

/*
 * An application may give up a connection that says nothing: a slow client then gets a fresh one. A
 * socket that is connected to itself would keep the application from coming up.
 */
static bool early_failed(const struct conn *c, uint32_t events)
{
	return events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) ||
	       app_connected(c->flow.leg->fd, &conn_conf(c)->app) < 0;
}

static void leg_is_ready(struct conn *c, uint32_t events)
{
	struct leg *l = c->flow.leg;

	mover_app_event(&c->flow, events);
	if (!l->ready)
		l->connect_took_us = c->worker->loop.now_us - l->connect_began_us;
	l->ready = true;
}

void conn_connect_early_event(struct conn *c, uint32_t events)
{
	if (early_failed(c, events))
		conn_leg_close(c, true);
	else
		leg_is_ready(c, events);
}

/* --- there is something for the application --------------------------------------------------- */

/* How long it has been on its way. */
static uint64_t spent_ms(const struct conn *c)
{
	const struct leg *l = c->flow.leg;

	return !l || l->ready ? 0 : (c->worker->loop.now_us - l->connect_began_us) / 1000;
}

/* Until connect-timeout is over, or until it is tried again. */
static void set_timer(struct conn *c)
{
	const struct leg *l = c->flow.leg;
	uint32_t all = conn_conf(c)->connect_timeout_ms;
	uint64_t spent = spent_ms(c), left = spent < all ? all - spent : 1;
	uint64_t again = spent / 2;

	if (again < QUEUE_MS_MIN)
		again = QUEUE_MS_MIN;
	if (again > QUEUE_MS_MAX)
		again = QUEUE_MS_MAX;
	loop_timer_set(&c->worker->loop, &c->timer, l && l->queue && again < left ? again : left);
}

struct conn_verdict conn_connect_enter(struct conn *c)
{
	enum kedge_reason reason = KEDGE_REASON_NONE;

	/* The access log is one of requests. */
	if (c->worker->shared->access && !c->access && !conn_is_tcp(c))
		conn_access_begin(c);
	if (!c->flow.leg)
		reason = leg_open(c);
	set_timer(c);
	if (reason != KEDGE_REASON_NONE)
		return conn_tell(c, reason);
	return c->flow.leg->ready ? conn_join(c) : verdict_stay();
}

struct conn_verdict conn_connect_event(struct conn *c, uint32_t events)
{
	leg_is_ready(c, events);
	return conn_join(c);
}

/* No event tells that a unix socket takes connections again. */
static struct conn_verdict queue_again(struct conn *c)
{
	enum kedge_reason reason = leg_connect(c);

	set_timer(c);
	return reason == KEDGE_REASON_NONE ? verdict_stay() : conn_tell(c, reason);
}

struct conn_verdict conn_connect_expired(struct conn *c)
{
	if (c->flow.leg && c->flow.leg->queue && spent_ms(c) < conn_conf(c)->connect_timeout_ms)
		return queue_again(c);
	return conn_tell(c, KEDGE_REASON_app_timeout);
}
