/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection whose legs are joined: what the mover's verdicts mean for it. */
#include "conn/conn_move.h"

#include <errno.h>

#include "base/capability_loss.h"
#include "conn/conn_deadline.h"
#include "conn/conn_leg.h"
#include "conn/conn_queue.h"
#include "conn/conn_reply.h"
#include "conn/mover.h"
#include "conn/mover_ask.h"
#include "conn/mover_lease.h"

/* Runs the mover. *up, *down: bytes that it had from the client, and from the application. */
static enum mover_verdict move(struct conn *c, uint64_t *up, uint64_t *down)
{
	const struct kedge_stats *s = c->worker->stats;
	struct metrics_listener *listener = c->service->metrics;
	uint64_t before_up = s->bytes_up, before_down = s->bytes_down;
	uint32_t before = conn_requests(c);
	enum mover_verdict verdict;

	c->worker->mover.listener = listener;
	verdict = mover_run(&c->worker->mover, &c->flow);
	listener->requests += conn_requests(c) - before;

	*up = s->bytes_up - before_up;
	*down = s->bytes_down - before_down;
	/* Half a TLS record is no byte: a client that drips those counts as idle. */
	if (*up || *down)
		c->active_ms = c->worker->loop.now_ms;
	return verdict;
}

/* Both directions have ended. */
static struct conn_verdict ended(struct conn *c)
{
	if (!conn_requests(c) && c->flow.client_eof && !conn_is_tcp(c))
		c->worker->stats->health_checks++;
	return verdict_of(CONN_LINGER, CONN_ORDERLY, c->flow.reason);
}

static struct conn_verdict aborted(struct conn *c)
{
	/* Of the mover's reasons: the editor's program is no longer on its sockets. */
	if (c->flow.reason == KEDGE_REASON_capability_lost)
		capability_failed(CAPABILITY_EDIT, ENOLINK, c->worker->loop.now_ms);
	if (c->flow.record->told)
		return verdict_of(CONN_LINGER, CONN_ALERT, c->flow.reason);
	return verdict_reset(c->flow.reason);
}

/* Nothing is under way, and the leg may be given up. */
static bool is_between(const struct conn *c)
{
	return lease_between(&c->flow) && !residue_any(&c->flow.up);
}

/* It has its response, and the leg is there for whoever asks next. */
static bool is_shared(const struct conn *c)
{
	return conn_leg_may_share(c) && is_between(c) && !lease_unfinished(&c->flow) &&
	       flow_requests(&c->flow);
}

struct conn_verdict conn_move_run(struct conn *c)
{
	uint64_t up, down;

	switch (move(c, &up, &down)) {
	case MOVER_MORE:
		loop_later(&c->worker->loop, &c->again);
		break;
	case MOVER_WAIT:
		if (c->client_error && c->flow.client_in)
			return verdict_reset(KEDGE_REASON_client_reset);
		if (c->worker->draining && conn_requests(c) && mover_idle(&c->flow))
			return verdict_finish(KEDGE_REASON_NONE);
		if (is_shared(c))
			return verdict_next(CONN_IDLE);
		if (conn_queue_note(c, !is_between(c))) {
			c->worker->stats->legs_wanted++;
			return verdict_next(CONN_IDLE);
		}
		break;
	case MOVER_PART:
		return verdict_next(CONN_IDLE);
	case MOVER_END:
		return ended(c);
	case MOVER_REPLY:
		return conn_tell(c, c->flow.reason);
	case MOVER_ABORT:
		return aborted(c);
	}
	conn_deadline_set(c, up, down);
	return verdict_stay();
}

struct conn_verdict conn_move_enter(struct conn *c)
{
	leg_set_busy(&c->worker->legs, c->flow.leg, true);
	c->active_ms = c->worker->loop.now_ms;
	c->flow.client_in = true; /* bytes may have come before and with the handshake */
	return conn_move_run(c);
}
