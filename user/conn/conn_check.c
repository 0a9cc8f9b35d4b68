/* SPDX-License-Identifier: BSD-2-Clause */
/* What must hold of a connection and of a worker. See conn_check.h. */
#include "conn/conn_check.h"

#ifdef KEDGE_CHECKS
#include "base/check.h"
#include "conn/conn_header.h"
#include "conn/flow_check.h"
#include "conn/mover_ask.h"
#include "conn/mover_lease.h"
#include "conn/verdict.h"

/* A worker with more connections is checked once in so many events. */
#define FEW    4
#define EVENTS 64

/* --- a connection ----------------------------------------------------------------------------- */

static void timer_check(const struct conn *c)
{
	const struct timer *t = &c->timer;

	CHECK(c, !t->due_ms == !t->slot_ms);
	/* A live connection always has a deadline; a closed one is on no wheel. */
	CHECK(c, !t->due_ms == (c->state == CONN_CLOSED));
}

static void closed_check(const struct conn *c)
{
	CHECK(c, c->client_fd < 0 && !c->flow.leg);
	CHECK(c, !c->tls && !c->flow.record && !c->flow.sent.data);
	CHECK(c, !c->access && !c->flow.access);
	CHECK(c, !residue_any(&c->flow.up) && !residue_any(&c->flow.down));
	CHECK(c, !c->handshaking && !c->prefix && !c->header && !c->name);
}

/* Deadlines that conn_deadline.c has set for what the flow waits for. */
static void deadlines_check(const struct conn *c)
{
	uint64_t now = c->worker->loop.now_ms;
	const struct conf *conf = conn_conf(c);

	CHECK(c, c->active_ms <= now && c->head_ms <= now && c->answer_ms <= now);
	CHECK(c, c->route <= c->service->conf->routes_count);
	CHECK_IF(c, c->head_ms, c->flow.leg->edit->note->standing == KEDGE_HEAD);
	CHECK_IF(c, c->head_ms, mover_awaits_client(&c->flow));
	CHECK_IF(c, c->body_due_ms, c->flow.leg->edit->note->standing == KEDGE_BODY);
	CHECK_IF(c, c->body_due_ms, conf->body_rate_min && c->body_rest < conf->body_rate_min);
	CHECK_IF(c, c->answer_ms, mover_awaits_answer(&c->flow));
	CHECK_IF(c, c->take_due_ms, c->flow.client_full);
}

static void move_check(const struct conn *c)
{
	const struct leg *l = c->flow.leg;

	CHECK(c, c->flow.record && l && l->edit && l->fd >= 0 && l->ready);
	CHECK(c, !c->counted && conn_header_done(c));
	CHECK_IF(c, l->edit_kernel, !l->kbpf.cookie);
	CHECK_IF(c, l->bypass, l->kbpf.note);
	CHECK_IF(c, conn_is_tcp(c), flow_is_tunnel(&c->flow) && !l->bypass && !l->edit_kernel);
	deadlines_check(c);
	if (!c->again.queued)
		flow_check_waits(&c->flow);
}

/* Which parts a connection has in its state. */
static void state_check(const struct conn *c)
{
	const struct flow *f = &c->flow;

	switch ((enum conn_state)c->state) {
	case CONN_PREFIX:
		CHECK(c, !f->record && !f->leg);
		CHECK(c, !c->source && !c->counted && !c->prefix_bytes);
		break;
	case CONN_HANDSHAKE:
		CHECK(c, c->tls && c->service->tls && !f->record && !c->counted && !c->access);
		CHECK_IF(c, f->leg, c->early);
		break;
	case CONN_CONNECT:
		CHECK(c, f->record && !c->counted && c->timer.due_ms);
		CHECK_IF(c, f->leg, f->leg->fd >= 0 && c->queue == QUEUE_NONE);
		CHECK_IF(c, f->leg && f->leg->ready, !conn_header_done(c));
		break;
	case CONN_IDLE:
		CHECK(c, f->record && !f->client_eof && !conn_is_tcp(c) && !c->counted);
		CHECK_IF(c, f->leg, c->early && f->leg->fd >= 0);
		CHECK_IF(c, residue_any(&f->up), c->again.queued || c->head);
		CHECK_IF(c, c->head_ms, residue_any(&f->up));
		CHECK(c, !residue_any(&f->down));
		break;
	case CONN_MOVE:
		move_check(c);
		break;
	case CONN_REPLY:
		CHECK(c, f->record && !f->leg && !f->client_shut && !residue_any(&f->up));
		break;
	case CONN_LINGER:
		CHECK(c, f->client_shut && !f->leg && !f->client_eof && !c->access);
		break;
	case CONN_CLOSED:
		closed_check(c);
		break;
	case CONN_ACCEPTED: /* it begins in the same event */
	case CONN_STAY:
		CHECK(c, !"a state to be in");
		break;
	}
}

void conn_check(const struct conn *c)
{
	const struct flow *f = &c->flow;
	size_t residue_max = c->worker->mover.buf_size;

	CHECK(c, c->service->refs);
	state_check(c);
	CHECK_IF(c, c->queue == QUEUE_WAITS, c->state == CONN_CONNECT);
	CHECK_IF(c, c->queue == QUEUE_IDLE, c->state == CONN_MOVE && !f->leg->busy);
	CHECK_IF(c, f->leg, f->leg->server == conn_servers(c)->set[f->leg->index]);
	timer_check(c);
	flow_check(f);
	CHECK(c, f->up.len <= residue_max || f->up.len <= LEASE_KEPT_MAX); /* it is sent again */
	CHECK(c, f->down.len <= residue_max);
	CHECK(c, !c->tls == (c->state != CONN_HANDSHAKE));
	CHECK(c, c->handshaking == (c->state == CONN_HANDSHAKE));
	CHECK_IF(c, c->prefix, !c->header);
	CHECK(c, flow_is_joined(f) == (c->state == CONN_MOVE));
	CHECK_IF(c, c->state != CONN_CLOSED, c->client_fd >= 0);
	CHECK_IF(c, f->record, f->record->fd == c->client_fd);
	CHECK_IF(c, f->leg, f->leg->owner == c);
	CHECK_IF(c, f->access, f->access == c->access);
	/* One that its address has no room for is in no way counted as one of its connections. */
	CHECK_IF(c, c->state != CONN_CLOSED, !c->source || !c->refused_source);
}

/* --- a worker --------------------------------------------------------------------------------- */

static uint64_t reasons_sum(const struct kedge_stats *s)
{
	const uint64_t *reasons = (const uint64_t *)&s->reasons;
	uint64_t sum = 0;

	for (size_t i = 0; i + 1 < KEDGE_REASON_COUNT; i++)
		sum += reasons[i];
	return sum;
}

/* Each joined flow is counted once by who carries its records, and once by who edits it. */
static void flows_check(const struct worker *w)
{
	const struct kedge_stats *s = w->stats;
	const uint64_t *each = &w->metrics->flows[0][0][0];
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(w->metrics->flows) / sizeof(*each); i++)
		sum += each[i];
	CHECK(w, sum == s->flows);
	CHECK(w, s->flows_plain + s->flows_record_kernel + s->flows_record_user == s->flows);
	CHECK(w, s->flows_edit_kernel + s->flows_edit_user + s->flows_tcp == s->flows);
	CHECK(w, s->flows_bypass <= s->flows);
	CHECK(w, histogram_count(&w->metrics->connect) + s->legs_shared == s->flows);
}

void worker_check(const struct worker *w)
{
	uint32_t conns = 0, handshaking = 0, counted = 0;
	const struct kedge_stats *s = w->stats;
	const struct conn *c;

	LIST_FOREACH(c, &w->conns, link) {
		CHECK(w, c->worker == w && c->state != CONN_CLOSED);
		conn_check(c);
		conns++;
		handshaking += c->handshaking;
		counted += c->counted;
	}
	LIST_FOREACH(c, &w->graves, link) {
		CHECK(w, c->worker == w && c->state == CONN_CLOSED);
		conn_check(c);
		CHECK(w, w->bury.queued);
	}
	CHECK(w, w->conns_count == conns);
	CHECK(w, s->accepted - s->closed == conns);
	CHECK(w, reasons_sum(s) <= s->closed + counted);
	flows_check(w);
	CHECK(w, w->shared->limits->handshakes >= handshaking);
	CHECK(w, w->shared->limits->connections >= conns);
}

void conn_check_event(const struct conn *c)
{
	static _Thread_local unsigned events;

	conn_check(c);
	if (c->worker->conns_count <= FEW || ++events % EVENTS == 0)
		worker_check(c->worker);
}
#endif
