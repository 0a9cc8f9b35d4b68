/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a connection whose legs are joined may take for what: a head, a body, a response,
 * nothing at all. One timer stands at the nearest of these deadlines.
 *
 * A body may fall behind the least rate by rate-grace-ms. Each byte of it moves its deadline on by
 * what it is worth at that rate, but never beyond the grace: who was fast may not rest on it. Only
 * while kedge waits for the client: what the application does not take is not the client's fault.
 * Nor is a client slow that waits for the application's 100 before it begins.
 *
 * A response is looked at once per grace while the client's socket is full: by what the client has
 * acknowledged meanwhile, since the socket's buffer takes far more than a slow client reads. For
 * the same reason a client whose socket holds bytes for it is idle only if it has acknowledged
 * nothing since the deadline before: it is given between one and two times idle-timeout.
 */
#include "conn/conn_private.h"

#include <linux/tcp.h>
#include <sys/socket.h>

static void watch_head(struct conn *c)
{
	const struct kedge_note *note = c->flow.edit->note;

	if (note->standing != KEDGE_HEAD || !mover_awaits_client(&c->flow)) {
		c->head_ms = 0;
	} else if (!c->head_ms || c->head_index != note->requests) {
		c->head_ms = c->worker->loop.now_ms;
		c->head_index = note->requests;
	}
}

/* Has the body begun, or should it have? */
static bool body_runs(struct conn *c, uint64_t up)
{
	uint32_t index = c->flow.edit->note->requests;

	if (c->body_index != index)
		c->body_begun = false;
	else if (up)
		c->body_begun = true;
	c->body_index = index;
	c->body_begun |= !mover_body_unasked(&c->flow);
	return c->body_begun;
}

static void watch_body(struct conn *c, uint64_t up)
{
	const struct conf *conf = conn_conf(c);
	uint64_t latest = c->worker->loop.now_ms + conf->rate_grace_ms;

	if (!conf->body_rate_min || c->flow.edit->note->standing != KEDGE_BODY ||
	    !body_runs(c, up) || !mover_awaits_client(&c->flow)) {
		c->body_due_ms = c->body_rest = 0;
		return;
	}
	if (c->body_due_ms)
		c->body_due_ms += conn_worth_ms(up, conf->body_rate_min, &c->body_rest);
	if (!c->body_due_ms || c->body_due_ms > latest) {
		c->body_due_ms = latest;
		c->body_rest = 0;
	}
}

/* Every byte of the application begins it anew: it is at work. */
static void watch_answer(struct conn *c, uint64_t down)
{
	if (!conn_conf(c)->response_timeout_ms || !mover_awaits_answer(&c->flow))
		c->answer_ms = 0;
	else if (!c->answer_ms || down)
		c->answer_ms = c->worker->loop.now_ms;
}

/* All 0 where it cannot be had. */
static struct tcp_info client_info(const struct conn *c)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	getsockopt(c->client_fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info;
}

uint64_t conn_acknowledged(const struct conn *c)
{
	return client_info(c).tcpi_bytes_acked;
}

static void watch_response(struct conn *c)
{
	const struct conf *conf = conn_conf(c);

	if (!conf->response_rate_min || !c->flow.client_full) {
		c->take_due_ms = 0;
	} else if (!c->take_due_ms) {
		c->take_due_ms = c->worker->loop.now_ms + conf->rate_grace_ms;
		c->take_acked = conn_acknowledged(c);
	}
}

static uint64_t sooner(uint64_t due_ms, uint64_t other_ms)
{
	return other_ms && other_ms < due_ms ? other_ms : due_ms;
}

static void set_timer(struct conn *c)
{
	const struct conf *conf = conn_conf(c);
	struct loop *loop = &c->worker->loop;
	uint64_t due = c->active_ms + conf->idle_timeout_ms;

	due = sooner(due, c->head_ms ? c->head_ms + conf->head_timeout_ms : 0);
	due = sooner(due, c->body_due_ms);
	due = sooner(due, c->answer_ms ? c->answer_ms + conf->response_timeout_ms : 0);
	due = sooner(due, c->take_due_ms);
	due = sooner(due, c->flow.record->look_again ? c->active_ms + CONN_QUIET_LOOK_MS : 0);
	if (c->worker->draining)
		due = sooner(due, loop->now_ms + CONN_DRAIN_LOOK_MS);
	loop_timer_set(loop, &c->timer, due > loop->now_ms ? due - loop->now_ms : 0);
}

void conn_deadline_set(struct conn *c, uint64_t up, uint64_t down)
{
	watch_head(c);
	watch_body(c, up);
	watch_answer(c, down);
	watch_response(c);
	set_timer(c);
}

/*
 * --- one of them has come -----------------------------------------------------------------------
 */

/* The client is late with a head. It is told behind the responses that it waits for. */
static void head_late(struct conn *c)
{
	mover_refuse(&c->flow, KEDGE_REASON_head_timeout, false);
	conn_move_run(c);
}

/* With a body, likewise, unless it has begun to be answered. */
static void body_late(struct conn *c)
{
	const struct response *r = &c->flow.response;
	uint32_t outstanding = response_outstanding(r, c->flow.edit->note);

	if (!outstanding) { /* answered already */
		conn_count_reason(c, KEDGE_REASON_body_too_slow);
		conn_finish(c);
	} else if (outstanding == 1 && !response_between(r)) {
		conn_abort(c, KEDGE_REASON_body_too_slow);
	} else {
		mover_refuse(&c->flow, KEDGE_REASON_body_too_slow, true);
		conn_move_run(c);
	}
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

/* The client still takes what stands in the socket, too little of it for an event. */
static bool takes(struct conn *c)
{
	const struct tcp_info info = client_info(c);
	uint64_t before = c->idle_acked;

	if (mover_idle(&c->flow))
		return false;
	c->idle_acked = info.tcpi_bytes_acked;
	if (c->idle_acked == before || !(info.tcpi_unacked || info.tcpi_notsent_bytes))
		return false;
	c->active_ms = c->worker->loop.now_ms;
	return true;
}

/* Who has been waited for? What is not between two responses, and nobody's request, is reset. */
static void idle_too_long(struct conn *c)
{
	const struct flow *f = &c->flow;
	bool ends = mover_idle(f) || mover_may_say(f) == MOVER_SAY_NOTHING ||
		    f->response.state == RESPONSE_LOST;

	if (ends) {
		conn_count_reason(c, KEDGE_REASON_idle_timeout);
		conn_finish(c);
	} else if (mover_awaits_answer(f)) {
		conn_reply(c, KEDGE_REASON_response_timeout);
	} else if (f->edit->note->standing == KEDGE_HEAD && mover_awaits_client(f)) {
		head_late(c);
	} else if (f->edit->note->standing == KEDGE_BODY && mover_awaits_client(f)) {
		body_late(c);
	} else {
		conn_abort(c, KEDGE_REASON_idle_timeout);
	}
}

/* If nothing can be taken from the client now, what is hidden is found when that is over. */
static void look_again(struct conn *c)
{
	c->flow.record->look_again = false;
	c->flow.client_in = true;
	conn_move_run(c);
}

void conn_move_expired(struct conn *c)
{
	const struct conf *conf = conn_conf(c);
	uint64_t now = c->worker->loop.now_ms;

	if (c->worker->draining && mover_idle(&c->flow))
		conn_finish(c);
	else if (c->head_ms && now >= c->head_ms + conf->head_timeout_ms)
		head_late(c);
	else if (c->body_due_ms && now >= c->body_due_ms)
		body_late(c);
	else if (c->answer_ms && now >= c->answer_ms + conf->response_timeout_ms)
		conn_reply(c, KEDGE_REASON_response_timeout);
	else if (c->take_due_ms && now >= c->take_due_ms && !took_enough(c))
		conn_abort(c, KEDGE_REASON_response_too_slow);
	else if (c->flow.record->look_again && now >= c->active_ms + CONN_QUIET_LOOK_MS)
		look_again(c);
	else if (now >= c->active_ms + conf->idle_timeout_ms &&
		 (mover_awaits_answer(&c->flow) || !takes(c)))
		idle_too_long(c);
	else
		set_timer(c);
}
