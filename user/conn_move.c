/* A connection whose legs are joined: what the mover's verdicts mean for it, and its deadlines. */
#include "conn_private.h"

/* A deadline nearer than the idle one exists only while the client owes the rest of a head. */
static void move_deadline(struct conn *c)
{
	const struct conf *conf = conn_conf(c);
	const struct kedge_note *note = c->flow.edit->note;
	struct loop *loop = &c->worker->loop;

	c->active_ms = loop->now_ms;
	if (note->standing != KEDGE_HEAD || !mover_awaits_client(&c->flow)) {
		c->head_ms = 0;
		loop_timer_set(loop, &c->timer,
			       c->worker->draining ? CONN_DRAIN_LOOK_MS : conf->idle_timeout_ms);
	} else if (!c->head_ms || c->head_index != note->requests) {
		c->head_ms = loop->now_ms;
		c->head_index = note->requests;
		loop_timer_set(loop, &c->timer, conf->head_timeout_ms);
	}
}

void conn_move_expired(struct conn *c)
{
	const struct conf *conf = conn_conf(c);
	uint64_t now = c->worker->loop.now_ms;

	if (c->worker->draining && mover_idle(&c->flow)) {
		conn_finish(c);
	} else if (c->head_ms && now >= c->head_ms + conf->head_timeout_ms) {
		if (response_between(&c->flow.response) &&
		    !response_outstanding(&c->flow.response, c->flow.edit->note))
			conn_reply(c, KEDGE_REASON_head_timeout);
		else
			conn_abort(c, KEDGE_REASON_head_timeout);
	} else if (now >= c->active_ms + conf->idle_timeout_ms) {
		bool between = mover_idle(&c->flow);

		conn_count_reason(c, KEDGE_REASON_idle_timeout);
		if (between)
			conn_finish(c);
		else
			conn_abort(c, KEDGE_REASON_NONE);
	} else {
		loop_timer_set(&c->worker->loop, &c->timer,
			       c->active_ms + conf->idle_timeout_ms - now);
	}
}

void conn_move_run(struct conn *c)
{
	enum mover_verdict verdict = mover_run(&c->worker->mover, &c->flow);

	switch (verdict) {
	case MOVER_MORE:
		loop_later(&c->worker->loop, &c->again);
		move_deadline(c);
		break;
	case MOVER_WAIT:
		if (c->client_error && c->flow.client_in)
			conn_abort(c, KEDGE_REASON_client_reset);
		else if (c->worker->draining && c->flow.edit->note->requests &&
			 mover_idle(&c->flow))
			conn_finish(c);
		else
			move_deadline(c);
		break;
	case MOVER_END:
		if (!c->flow.edit->note->requests && c->flow.client_eof)
			c->worker->stats->health_checks++;
		conn_count_reason(c, c->flow.reason);
		conn_linger(c);
		break;
	case MOVER_REPLY:
		conn_reply(c, c->flow.reason);
		break;
	case MOVER_ABORT:
		conn_abort(c, c->flow.reason);
		break;
	}
}
