/* SPDX-License-Identifier: BSD-2-Clause */
/* The deadlines of a connection whose legs are joined. */
#include "conn/conn_deadline.h"

#include <sys/socket.h>

#include "conn/mover_ask.h"
#include "conn/mover_lease.h"

static void watch_head(struct conn *c)
{
	const struct kedge_note *note = c->flow.leg->edit->note;

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
	uint32_t index = c->flow.leg->edit->note->requests;

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

	if (!conf->body_rate_min || c->flow.leg->edit->note->standing != KEDGE_BODY ||
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

/* Every byte of the application restarts it: the application is at work. */
static void watch_answer(struct conn *c, uint64_t down)
{
	if (!conn_conf(c)->response_timeout_ms || !mover_awaits_answer(&c->flow))
		c->answer_ms = 0;
	else if (!c->answer_ms || down)
		c->answer_ms = c->worker->loop.now_ms;
}

struct tcp_info conn_client_info(const struct conn *c)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	getsockopt(c->client_fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info;
}

uint64_t conn_acknowledged(const struct conn *c)
{
	const struct residue *kept = &c->flow.down;

	/* A unix socket acknowledges nothing: it has taken what has left, less its small buffer. */
	if (c->service->conf->addr.family == AF_UNIX)
		return c->down_bytes - (kept->len - kept->off);
	return conn_client_info(c).tcpi_bytes_acked;
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

uint64_t conn_leg_due_ms(const struct conn *c)
{
	return lease_between(&c->flow) && !residue_any(&c->flow.up)
		       ? c->active_ms + leg_idle_max_ms(&c->worker->legs, c->flow.leg,
							conn_conf(c)->app_idle_timeout_ms)
		       : 0;
}

void conn_deadline_timer(struct conn *c)
{
	const struct conf *conf = conn_conf(c);
	struct loop *loop = &c->worker->loop;
	uint64_t due = c->active_ms + conf->idle_timeout_ms;

	due = sooner(due, c->head_ms ? c->head_ms + conf->head_timeout_ms : 0);
	due = sooner(due, c->body_due_ms);
	due = sooner(due, c->answer_ms ? c->answer_ms + conf->response_timeout_ms : 0);
	due = sooner(due, c->take_due_ms);
	due = sooner(due, conn_leg_due_ms(c));
	due = sooner(due, c->flow.record->look_again ? c->active_ms + CONN_QUIET_LOOK_MS : 0);
	if (c->worker->draining)
		due = sooner(due, loop->now_ms + CONN_DRAIN_LOOK_MS);
	loop_timer_set(loop, &c->timer, due > loop->now_ms ? due - loop->now_ms : 0);
}

void conn_deadline_set(struct conn *c, uint64_t up, uint64_t down)
{
	c->down_bytes += down;
	watch_head(c);
	watch_body(c, up);
	watch_answer(c, down);
	watch_response(c);
	conn_deadline_timer(c);
}
