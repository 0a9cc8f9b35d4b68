/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection whose legs are joined: what the mover's verdicts mean for it. */
#include "conn/conn_private.h"
#include "base/log.h"

#include <errno.h>

#include "base/capability_loss.h"

/* What the application does wrong it does again and again: said once an hour, by each worker. */
#define SAID_AGAIN_MS (3600u * 1000)

static bool is_due(struct conn *c, uint64_t *said_ms)
{
	uint64_t now = c->worker->loop.now_ms;

	if (*said_ms && now < *said_ms + SAID_AGAIN_MS)
		return false;
	*said_ms = now;
	return true;
}

/* Some ends are a fault of the application that its owner should know of. */
static void say_fault(struct conn *c)
{
	struct service *s = c->service;
	const char *app = conn_conf(c)->app_name;

	if (c->flow.reason == KEDGE_REASON_app_unasked && is_due(c, &s->unasked_said_ms))
		log_warn("listener %s: application %s sent more answers than it was asked for, and "
			 "the "
			 "connection was ended; it may take the body of a request for another "
			 "request "
			 "(app_unasked)",
			 s->name, app);
	if (c->flow.reason == KEDGE_REASON_app_response_lost && is_due(c, &s->lost_said_ms))
		log_warn("listener %s: application %s sent a response whose end cannot be found, "
			 "and the "
			 "connection was ended; look at its Content-Length and its chunks "
			 "(app_response_lost)",
			 s->name, app);
}

/* Runs the mover. *up, *down: bytes that it had from the client, and from the application. */
static enum mover_verdict move(struct conn *c, uint64_t *up, uint64_t *down)
{
	const struct kedge_stats *s = c->worker->stats;
	uint64_t before_up = s->bytes_up, before_down = s->bytes_down;
	enum mover_verdict verdict = mover_run(&c->worker->mover, &c->flow);

	*up = s->bytes_up - before_up;
	*down = s->bytes_down - before_down;
	/* Half a TLS record is no byte: who drips those counts as idle. */
	if (*up || *down)
		c->active_ms = c->worker->loop.now_ms;
	return verdict;
}

void conn_move_run(struct conn *c)
{
	uint64_t up, down;

	switch (move(c, &up, &down)) {
	case MOVER_MORE:
		loop_later(&c->worker->loop, &c->again);
		conn_deadline_set(c, up, down);
		break;
	case MOVER_WAIT:
		if (c->client_error && c->flow.client_in)
			conn_abort(c, KEDGE_REASON_client_reset);
		else if (c->worker->draining && c->flow.edit->note->requests &&
			 mover_idle(&c->flow))
			conn_finish(c);
		else
			conn_deadline_set(c, up, down);
		break;
	case MOVER_END:
		if (!c->flow.edit->note->requests && c->flow.client_eof && !conn_is_tcp(c))
			c->worker->stats->health_checks++;
		conn_count_reason(c, c->flow.reason);
		say_fault(c);
		conn_linger(c);
		break;
	case MOVER_REPLY:
		conn_reply(c, c->flow.reason);
		break;
	case MOVER_ABORT:
		/* Of the mover's reasons: the editor's program is no longer on its sockets. */
		if (c->flow.reason == KEDGE_REASON_capability_lost)
			capability_failed(CAPABILITY_EDIT, ENOLINK, c->worker->loop.now_ms);
		if (c->flow.record->told)
			conn_record_fault(c, c->flow.reason);
		else
			conn_abort(c, c->flow.reason);
		break;
	}
}

void conn_move_begin(struct conn *c)
{
	c->state = CONN_MOVE;
	c->active_ms = c->worker->loop.now_ms;
	c->flow.client_in = true; /* bytes may have come before and with the handshake */
	conn_move_run(c);
}
