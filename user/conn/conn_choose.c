/* SPDX-License-Identifier: BSD-2-Clause */
/* The leg that a request gets: its server, and a fresh one or one of the pool. */
#include "conn/conn_choose.h"

#include <errno.h>

#include "app/leg_pool.h"
#include "conn/conn_leg.h"
#include "conn/mover_lease.h"
#include "conn/verdict.h"

/*
 * An idle leg of the worker may do: not for a request that was lost on one, and there must be a
 * request.
 */
static bool may_share(const struct conn *c)
{
	return conn_leg_may_share(c) && c->state == CONN_CONNECT && !c->flow.again;
}

/* The idle leg of this server, if there is one that is young enough for the request. */
static struct leg *leg_take(struct conn *c, struct server *server)
{
	const struct residue *up = &c->flow.up;
	bool any = lease_repeatable(up->data + up->off, up->len - up->off);

	return leg_pool_take(&c->worker->legs, server, any ? UINT64_MAX : LEASE_YOUNG_US - 1);
}

static bool may_try_at(const struct conn *c, const struct server *server)
{
	const struct servers *servers = conn_servers(c);

	for (size_t i = 0; i < servers->count; i++)
		if (servers->set[i] == server)
			return !(c->tried >> i & 1) && server_is_ready(server);
	return false;
}

/* An idle leg that the request cannot have may take the place of one for it. */
static bool make_room(struct conn *c)
{
	struct legs *legs = &c->worker->legs;
	struct leg *l;

	TAILQ_FOREACH(l, &legs->idle, idle_link) {
		if (!may_try_at(c, l->server))
			continue;
		leg_pool_close(legs, l);
		c->worker->stats->legs_wanted++;
		return true;
	}
	return false;
}

static enum kedge_reason choose(struct conn *c, bool idle)
{
	struct worker *w = c->worker;
	struct servers *servers = conn_servers(c);
	int at = servers_choose(servers, w->index, c->tried, w->loop.now_ms, &w->random, &idle);

	if (at == -EAGAIN && make_room(c)) {
		idle = false;
		at = servers_choose(servers, w->index, c->tried, w->loop.now_ms, &w->random, &idle);
	}
	if (at < 0)
		return at == -EAGAIN ? KEDGE_REASON_app_queue : KEDGE_REASON_app_none;
	c->flow.leg = idle ? leg_take(c, servers->set[at]) : leg_new(&w->legs, c);
	if (!c->flow.leg && idle)
		return choose(c, false); /* they were stale, or too old */
	if (!c->flow.leg) {
		server_leave(servers->set[at]);
		return KEDGE_REASON_no_memory;
	}
	c->flow.leg->owner = c;
	c->flow.leg->server = servers->set[at];
	c->flow.leg->index = (uint8_t)at;
	leg_set_busy(&w->legs, c->flow.leg, true);
	return KEDGE_REASON_NONE;
}

enum kedge_reason conn_choose(struct conn *c)
{
	return choose(c, may_share(c));
}
