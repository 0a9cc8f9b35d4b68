/* SPDX-License-Identifier: BSD-2-Clause */
/* A deadline of a joined connection has come: who is late, and what becomes of it. */
#include "conn/conn_late.h"

#include "conn/conn_deadline.h"
#include "conn/conn_move.h"
#include "conn/conn_reply.h"
#include "conn/mover.h"
#include "conn/mover_ask.h"

/* The client is late with a head. It is told behind the responses that it waits for. */
static struct conn_verdict head_late(struct conn *c)
{
	mover_refuse(&c->flow, KEDGE_REASON_head_timeout, false);
	return conn_move_run(c);
}

/* The same with a body, unless its answer has begun. */
static struct conn_verdict body_late(struct conn *c)
{
	const struct response *r = &c->flow.leg->response;
	uint32_t outstanding = flow_outstanding(&c->flow);

	if (!outstanding) /* answered already */
		return verdict_finish(KEDGE_REASON_body_too_slow);
	if (outstanding == 1 && !response_between(r))
		return verdict_reset(KEDGE_REASON_body_too_slow);
	mover_refuse(&c->flow, KEDGE_REASON_body_too_slow, true);
	return conn_move_run(c);
}

static bool took_enough(struct conn *c)
{
	const struct conf *conf = conn_conf(c);
	uint64_t acked = conn_acknowledged(c);
	uint64_t least = (uint64_t)conf->response_rate_min * conf->rate_grace_ms / 1000;
	bool enough = acked - c->take_acked >= least;

	c->take_acked = acked;
	c->take_due_ms = c->worker->loop.now_ms + conf->rate_grace_ms;
	return enough;
}

/* The client still takes what is in the socket, too little of it for an event. */
static bool takes(struct conn *c)
{
	const struct tcp_info info = conn_client_info(c);
	uint64_t before = c->idle_acked;

	if (mover_served(&c->flow))
		return false;
	c->idle_acked = info.tcpi_bytes_acked;
	if (c->idle_acked == before || !(info.tcpi_unacked || info.tcpi_notsent_bytes))
		return false;
	c->active_ms = c->worker->loop.now_ms;
	return true;
}

/* Nothing has moved for idle-timeout. It is reset unless one side is known to be late. */
static struct conn_verdict idle_too_long(struct conn *c)
{
	const struct flow *f = &c->flow;

	if (mover_served(f) || mover_may_say(f) == MOVER_SAY_NOTHING ||
	    f->leg->response.state == RESPONSE_LOST)
		return verdict_finish(KEDGE_REASON_idle_timeout);
	if (mover_awaits_answer(f))
		return conn_tell(c, KEDGE_REASON_response_timeout);
	if (f->leg->edit->note->standing == KEDGE_HEAD && mover_awaits_client(f))
		return head_late(c);
	if (f->leg->edit->note->standing == KEDGE_BODY && mover_awaits_client(f))
		return body_late(c);
	return verdict_reset(KEDGE_REASON_idle_timeout);
}

/* If nothing can be taken from the client now, the hidden bytes are found once that is over. */
static struct conn_verdict look_again(struct conn *c)
{
	c->flow.record->look_again = false;
	c->flow.client_in = true;
	return conn_move_run(c);
}

struct conn_verdict conn_move_expired(struct conn *c)
{
	const struct conf *conf = conn_conf(c);
	uint64_t now = c->worker->loop.now_ms;

	if (c->worker->draining && mover_idle(&c->flow))
		return verdict_finish(KEDGE_REASON_NONE);
	if (c->head_ms && now >= c->head_ms + conf->head_timeout_ms)
		return head_late(c);
	if (c->body_due_ms && now >= c->body_due_ms)
		return body_late(c);
	if (c->answer_ms && now >= c->answer_ms + conf->response_timeout_ms)
		return conn_tell(c, KEDGE_REASON_response_timeout);
	if (c->take_due_ms && now >= c->take_due_ms && !took_enough(c))
		return verdict_reset(KEDGE_REASON_response_too_slow);
	if (conn_leg_due_ms(c) && now >= conn_leg_due_ms(c)) {
		c->worker->stats->legs_idle++;
		return verdict_next(CONN_IDLE);
	}
	if (c->flow.record->look_again && now >= c->active_ms + CONN_QUIET_LOOK_MS)
		return look_again(c);
	if (now >= c->active_ms + conf->idle_timeout_ms &&
	    (mover_awaits_answer(&c->flow) || !takes(c)))
		return idle_too_long(c);
	conn_deadline_timer(c);
	return verdict_stay();
}
