/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CONNECT: a server, and the socket to it. A connect that fails goes on with another server once,
 * and then for connect-retry-ms with any. An early one that fails is not told to the client: it is
 * closed, and opened again for the first request.
 */
#include "conn/conn_connect.h"

#include <errno.h>

#include "access/access.h"
#include "app/app.h"
#include "app/leg_pool.h"
#include "conn/conn_choose.h"
#include "conn/conn_join.h"
#include "conn/conn_leg.h"
#include "conn/conn_queue.h"
#include "conn/conn_reply.h"
#include "conn/mover.h"
#include "conn/worker_wake.h"

/* A full queue of a unix socket is tried again after half of the time so far, within these. */
#define QUEUE_MS_MIN 5
#define QUEUE_MS_MAX 200

/* For connect-retry-ms, it is tried again after a quarter of the time so far, within these. */
#define RETRY_MS_MIN 50
#define RETRY_MS_MAX 1000

/* For what idle legs of other workers hold: it is tried again so often, and so long at most. */
#define LACK_MS     2
#define LACK_MS_MAX 200

/* So many servers are tried at once. */
#define TRIES_MAX 2

/* --- a socket on its way to a server ---------------------------------------------------------- */

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

static void server_at_fault(const struct conn *c, const char *why)
{
	server_failed(c->flow.leg->server, c->worker->index, c->worker->loop.now_ms, why);
}

static enum kedge_reason connect_failed(struct conn *c, int err)
{
	/* The server is fine: this host has no port left. */
	if (err == -EADDRNOTAVAIL)
		return KEDGE_REASON_limit_ports;
	server_at_fault(c, strerrordesc_np(-err));
	return err == -ETIMEDOUT ? KEDGE_REASON_app_timeout : KEDGE_REASON_app_refused;
}

/* Where the server of the leg is now. */
static const union addr *addr_of(const struct conn *c, union addr *buf)
{
	return server_addr(c->flow.leg->server, &conn_server(c)->addr, buf);
}

/* NONE: it is on its way, or the queue is full; or why not. */
static enum kedge_reason leg_connect(struct conn *c, const union addr *to)
{
	struct leg *l = c->flow.leg;
	int err = app_connect(l->fd, to);

	l->queue = err == -EAGAIN;
	if (l->queue)
		return KEDGE_REASON_NONE;
	if (err)
		return connect_failed(c, err);
	if (loop_add(&c->worker->loop, l->fd, &l->watch, CONN_EVENTS) < 0)
		return KEDGE_REASON_no_memory;
	return KEDGE_REASON_NONE;
}

/* As conn_choose() and leg_connect(). After a failure there may be a leg, for conn_leg_close(). */
static enum kedge_reason leg_begin(struct conn *c)
{
	const struct conf *conf = conn_conf(c);
	enum kedge_reason reason = conn_choose(c);
	struct leg *l = c->flow.leg;
	const union addr *to;
	union addr buf;
	int fd;

	if (reason != KEDGE_REASON_NONE || l->edit)
		return reason;
	conn_leg_choose(c);
	to = addr_of(c, &buf);
	fd = app_socket(to, l->bypass);
	l->connect_began_us = c->worker->loop.now_us;
	if (fd < 0)
		return no_socket(fd);
	l->fd = fd;
	tcp_alive_towards(fd, to, &conf->tcp_alive);
	reason = conn_leg_register(c);
	return reason == KEDGE_REASON_NONE ? leg_connect(c, to) : reason;
}

/* What it lacks may be taken up by idle legs. */
static bool is_lack(enum kedge_reason reason)
{
	return reason == KEDGE_REASON_limit_connections ||
	       reason == KEDGE_REASON_limit_descriptors || reason == KEDGE_REASON_limit_ports;
}

static enum kedge_reason leg_open(struct conn *c)
{
	struct legs *legs = &c->worker->legs;
	enum kedge_reason reason = leg_begin(c);

	if (!is_lack(reason) || !leg_pool_oldest(legs))
		return reason;
	conn_leg_close(c, true);
	leg_pool_close(legs, leg_pool_oldest(legs));
	return leg_begin(c);
}

/* --- early ------------------------------------------------------------------------------------ */

void conn_connect_early(struct conn *c)
{
	/* Not in mode tcp: an application that speaks first, or counts its connections, would
	 * notice. */
	if (c->early || !conn_conf(c)->connect_early || conn_is_tcp(c))
		return;
	c->early = true;
	if (conn_queue_is_due(c))
		return; /* others wait: there is one chance, and it is over */
	if (conn_leg_may_share(c) && leg_pool_oldest(&c->worker->legs))
		return; /* the request will most likely have one of these */
	if (leg_open(c) != KEDGE_REASON_NONE || c->flow.leg->queue)
		conn_leg_close(c, true);
}

static void leg_is_ready(struct conn *c, uint32_t events)
{
	struct leg *l = c->flow.leg;

	mover_app_event(&c->flow, events);
	if (!l->ready)
		l->connect_took_us = c->worker->loop.now_us - l->connect_began_us;
	l->ready = true;
}

/*
 * An application may give up a connection that says nothing: a slow client then gets a fresh one. A
 * socket that is connected to itself would keep the application from coming up.
 */
void conn_connect_early_event(struct conn *c, uint32_t events)
{
	int err = app_connected(c->flow.leg->fd, &conn_server(c)->addr);

	if (err < 0 && !c->flow.leg->ready)
		connect_failed(c, err);
	if (err < 0 || events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
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

/* Another server, or another time, may help. */
static bool may_pass(enum kedge_reason reason)
{
	return reason == KEDGE_REASON_app_refused || reason == KEDGE_REASON_app_timeout ||
	       reason == KEDGE_REASON_app_gone || reason == KEDGE_REASON_limit_ports;
}

static struct conn_verdict wait_for_room(struct conn *c)
{
	const uint64_t due = c->connect_ms + conn_servers(c)->conf->queue_timeout_ms;
	const uint64_t now = c->worker->loop.now_ms;

	c->worker->stats->connects_queued += c->queue != QUEUE_WAITS;
	if (!conn_queue_enter(c))
		return conn_tell(c, KEDGE_REASON_app_queue);
	loop_timer_set(&c->worker->loop, &c->timer, due > now ? due - now : 0);
	return verdict_stay();
}

/* No server can be had now. Later, within connect-retry-ms? */
static struct conn_verdict retry(struct conn *c, enum kedge_reason reason)
{
	const uint64_t spent = c->worker->loop.now_ms - c->connect_ms;
	uint64_t again = spent / 4;

	conn_queue_leave(c);
	if (spent >= conn_servers(c)->conf->connect_retry_ms)
		return conn_tell(c, reason);
	if (again < RETRY_MS_MIN)
		again = RETRY_MS_MIN;
	if (again > RETRY_MS_MAX)
		again = RETRY_MS_MAX;
	c->tried = 0;
	c->tries = 0;
	loop_timer_set(&c->worker->loop, &c->timer, again);
	return verdict_stay();
}

/* Without `tried`, servers_choose() would give the same one again. */
static void server_is_tried(struct conn *c)
{
	c->tried |= 1ull << c->flow.leg->index;
	c->tries++;
	conn_leg_close(c, true);
}

static bool may_try(const struct conn *c)
{
	return c->tries < TRIES_MAX && c->tries < conn_servers(c)->count;
}

/* Not with the server that has just lost the request, if there is another one. */
static void begin_trying(struct conn *c)
{
	c->tries = 0;
	c->tried = c->avoid && conn_servers(c)->count > 1 ? 1ull << (c->avoid - 1) : 0;
	c->avoid = 0;
	c->connect_ms = c->worker->loop.now_ms;
}

/*
 * Idle legs may have the descriptor, or the room in the maps, that is lacking. Other workers are
 * asked to close theirs. No source port comes back so: a closed leg keeps it for a while.
 */
static bool wait_for_idle(struct conn *c, enum kedge_reason reason)
{
	struct worker *w = c->worker;

	if (reason == KEDGE_REASON_limit_ports || !is_lack(reason) ||
	    w->loop.now_ms - c->connect_ms >= LACK_MS_MAX)
		return false;
	if (!worker_ask_idle(w) && !leg_pool_oldest(&w->legs))
		return false;
	conn_queue_leave(c);
	conn_leg_close(c, true);
	loop_timer_set(&w->loop, &c->timer, LACK_MS);
	return true;
}

/* The servers that are left to try. `failed`: what the last one did; NONE: there was none. */
static struct conn_verdict try_servers(struct conn *c, enum kedge_reason failed)
{
	while (may_try(c)) {
		enum kedge_reason reason =
			conn_queue_is_due(c) ? KEDGE_REASON_app_queue : leg_open(c);

		if (reason == KEDGE_REASON_app_queue)
			return wait_for_room(c);
		if (reason == KEDGE_REASON_app_none && failed != KEDGE_REASON_NONE)
			break;
		if (reason == KEDGE_REASON_app_none && c->tried) {
			c->tried = 0; /* only the one to avoid is left */
			continue;
		}
		c->worker->stats->connects_again += failed != KEDGE_REASON_NONE;
		if (reason == KEDGE_REASON_NONE) {
			conn_queue_leave(c);
			if (c->flow.leg->edit)
				return conn_join_idle(c);
			set_timer(c);
			return verdict_stay();
		}
		if (wait_for_idle(c, reason))
			return verdict_stay();
		if (!may_pass(reason))
			return conn_tell(c, reason);
		server_is_tried(c);
		failed = reason;
	}
	return retry(c, failed);
}

/* The leg on its way is of no use. */
static struct conn_verdict leg_failed(struct conn *c, enum kedge_reason reason)
{
	if (!may_pass(reason))
		return conn_tell(c, reason);
	server_is_tried(c);
	return try_servers(c, reason);
}

/* The connect has been decided. */
static struct conn_verdict decided(struct conn *c)
{
	struct leg *l = c->flow.leg;
	int err = app_connected(l->fd, &conn_server(c)->addr);
	struct conn_verdict v;

	if (err < 0)
		return leg_failed(c, connect_failed(c, err));
	v = conn_join(c);
	if (v.reason == KEDGE_REASON_app_gone) {
		/* Nothing of the request has been sent: it may have ended with its queue full. */
		server_at_fault(c, "Closed at once");
		return leg_failed(c, KEDGE_REASON_app_gone);
	}
	if (v.next == CONN_MOVE)
		server_worked(l->server, c->worker->index, c->worker->loop.now_ms);
	return v;
}

struct conn_verdict conn_connect_enter(struct conn *c)
{
	/* The access log is one of requests. */
	if (c->worker->shared->access && !c->access && !conn_is_tcp(c))
		conn_access_begin(c);
	begin_trying(c);
	if (!c->flow.leg)
		return try_servers(c, KEDGE_REASON_NONE);
	set_timer(c);
	return c->flow.leg->ready ? decided(c) : verdict_stay();
}

struct conn_verdict conn_connect_event(struct conn *c, uint32_t events)
{
	leg_is_ready(c, events);
	return decided(c);
}

struct conn_verdict conn_connect_again(struct conn *c)
{
	return try_servers(c, KEDGE_REASON_NONE);
}

/* No event tells that a unix socket takes connections again. */
static struct conn_verdict queue_again(struct conn *c)
{
	union addr buf;
	enum kedge_reason reason = leg_connect(c, addr_of(c, &buf));

	set_timer(c);
	return reason == KEDGE_REASON_NONE ? verdict_stay() : leg_failed(c, reason);
}

struct conn_verdict conn_connect_expired(struct conn *c)
{
	if (c->queue == QUEUE_WAITS)
		return conn_tell(c, KEDGE_REASON_app_queue);
	if (!c->flow.leg)
		return try_servers(c, KEDGE_REASON_NONE);
	if (c->flow.leg->queue && spent_ms(c) < conn_conf(c)->connect_timeout_ms)
		return queue_again(c);
	return leg_failed(c, connect_failed(c, -ETIMEDOUT));
}

void conn_connect_leave(struct conn *c)
{
	conn_queue_leave(c);
}
