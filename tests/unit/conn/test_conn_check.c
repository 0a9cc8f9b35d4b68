/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_check.c: each thing that must hold of a connection and its worker, broken. */
#include "conn/conn_check.h"
#include "tests/lib/breaks.h"
#include "tests/unit/conn/conn_parts.h"

static struct leg no_leg = {.fd = -1};
static struct tls_ctx *some_tls = (void *)&service;

static void check(void)
{
	conn_check(c);
}

static void check_worker(void)
{
	worker_check(&worker);
}

/* --- state by state --------------------------------------------------------------------------- */

static const char *prefix_broken(unsigned row)
{
	BREAK("!f->record && !f->leg", c->flow.record = &record);
	BREAK("!c->source && !c->counted", c->counted = true);
	BREAK("!c->source && !c->counted", c->source = (void *)c);
	return NULL;
}

static void before_anything_is_known(void **state)
{
	(void)state;
	begin(CONN_PREFIX);
	c->flow.record = NULL;
	breaks(prefix_broken, check);
}

static const char *handshake_broken(unsigned row)
{
	BREAK("c->tls && c->service->tls", c->tls = NULL);
	BREAK("c->tls && c->service->tls", service.tls = NULL);
	BREAK("!f->record", c->flow.record = &record);
	BREAK("c->early", c->flow.leg = &no_leg);
	BREAK("c->handshaking == (c->state == CONN_HANDSHAKE)", c->handshaking = false);
	return NULL;
}

static void during_the_handshake(void **state)
{
	(void)state;
	begin(CONN_HANDSHAKE);
	c->flow.record = NULL;
	c->tls = (void *)c;
	c->handshaking = true;
	service.tls = some_tls;
	breaks(handshake_broken, check);
	c->tls = NULL;
	c->handshaking = false;
	service.tls = NULL;
}

static const char *connect_broken(unsigned row)
{
	BREAK("f->leg->fd >= 0", c->flow.leg->fd = -1);
	BREAK("f->record &&", c->flow.record = NULL);
	BREAK("!conn_header_done(c)", c->flow.leg->ready = true);
	BREAK("f->leg->owner == c", c->flow.leg->owner = NULL);
	BREAK("!c->counted", c->counted = true);
	return NULL;
}

static void while_the_application_is_awaited(void **state)
{
	(void)state;
	begin(CONN_CONNECT);
	app_leg(false);
	breaks(connect_broken, check);
}

static const char *idle_broken(unsigned row)
{
	BREAK("!f->client_eof", c->flow.client_eof = true);
	BREAK("!conn_is_tcp(c)", listener_conf.mode = MODE_TCP);
	BREAK("c->early", c->flow.leg = &no_leg);
	BREAK("c->again.queued", c->flow.up.data = malloc(1), c->flow.up.len = 1);
	BREAK("!residue_any(&f->down)", c->flow.down.data = malloc(1), c->flow.down.len = 1);
	BREAK("f->sent.data", c->flow.sent.len = c->flow.sent.size = 1);
	return NULL;
}

static void while_the_client_asks_for_nothing(void **state)
{
	(void)state;
	begin(CONN_IDLE);
	breaks(idle_broken, check);
}

static const char *move_broken(unsigned row)
{
	BREAK("l->edit && l->fd >= 0", c->flow.leg->edit = NULL);
	BREAK("!c->counted", c->counted = true);
	BREAK("!l->kbpf.cookie", c->flow.leg->edit_kernel = true, c->flow.leg->kbpf.cookie = 1);
	BREAK("l->kbpf.note", c->flow.leg->bypass = true);
	BREAK("flow_is_tunnel(&c->flow)", listener_conf.mode = MODE_TCP);
	BREAK("!f->leg->in", c->flow.leg->in = true);
	return NULL;
}

static const char *deadline_broken(unsigned row)
{
	BREAK("c->active_ms <= now", c->active_ms = now() + 1);
	BREAK("c->head_ms <= now", c->head_ms = now() + 1);
	BREAK("standing == KEDGE_HEAD", c->head_ms = now());
	BREAK("mover_awaits_client", c->head_ms = now(), note.standing = KEDGE_HEAD,
	      c->flow.leg->full = true);
	BREAK("standing == KEDGE_BODY", c->body_due_ms = now());
	BREAK("c->body_rest < conf->body_rate_min", c->body_due_ms = now(),
	      note.standing = KEDGE_BODY, conf.body_rate_min = c->body_rest = 7);
	BREAK("mover_awaits_answer", c->answer_ms = now());
	BREAK("c->flow.client_full", c->take_due_ms = now());
	return NULL;
}

static void while_bytes_move(void **state)
{
	(void)state;
	joined();
	breaks(move_broken, check);
	breaks(deadline_broken, check);
}

static const char *reply_broken(unsigned row)
{
	BREAK("!f->client_shut", c->flow.client_shut = true);
	BREAK("!residue_any(&f->up)", c->flow.up.data = malloc(1), c->flow.up.len = 1);
	BREAK("!f->leg", c->flow.leg = &no_leg);
	return NULL;
}

static const char *linger_broken(unsigned row)
{
	BREAK("f->client_shut &&", c->flow.client_shut = false);
	BREAK("!f->client_eof", c->flow.client_eof = true);
	BREAK("!c->access", c->access = (void *)c);
	return NULL;
}

static const char *closed_broken(unsigned row)
{
	BREAK("c->client_fd < 0", c->client_fd = 1);
	BREAK("!c->tls && !c->flow.record", c->flow.record = &record);
	BREAK("!c->access", c->access = (void *)c);
	BREAK("!residue_any(&c->flow.up)", c->flow.up.data = malloc(1));
	BREAK("!c->handshaking", c->handshaking = true);
	BREAK("== (c->state == CONN_CLOSED)", c->timer.due_ms = c->timer.slot_ms = 1);
	return NULL;
}

static void at_the_end(void **state)
{
	(void)state;
	begin(CONN_REPLY);
	breaks(reply_broken, check);
	c->state = CONN_LINGER;
	c->flow.client_shut = true;
	breaks(linger_broken, check);
	conn_abort(c, KEDGE_REASON_NONE);
	breaks(closed_broken, check);
}

/* --- in any state ----------------------------------------------------------------------------- */

static const char *any_broken(unsigned row)
{
	BREAK("a state to be in", c->state = CONN_ACCEPTED);
	BREAK("a state to be in", c->state = CONN_STAY);
	BREAK("c->service->refs", service.refs = 0);
	BREAK("!t->due_ms == !t->slot_ms", c->timer.slot_ms = 0);
	BREAK("== (c->state == CONN_CLOSED)", c->timer.slot_ms = c->timer.due_ms = 0);
	BREAK("f->first_len", c->flow.first_len = 200);
	BREAK("f->up.len <= residue_max", c->flow.up.data = malloc(1), c->flow.up.len = 1 << 20,
	      c->flow.leg->full = true);
	BREAK("!c->tls ==", c->tls = (void *)c);
	BREAK("c->handshaking ==", c->handshaking = true);
	BREAK("c->client_fd >= 0", c->client_fd = -1);
	BREAK("f->record->fd == c->client_fd", record.fd++);
	BREAK("f->access == c->access", c->flow.access = (void *)c);
	BREAK("!c->source || !c->refused_source", c->source = c->refused_source = (void *)c);
	return NULL;
}

static void in_any_state(void **state)
{
	(void)state;
	joined();
	breaks(any_broken, check);
}

/* --- the worker ------------------------------------------------------------------------------- */

static const char *worker_broken(unsigned row)
{
	BREAK("c->worker == w", c->state = CONN_CLOSED);
	BREAK("w->conns_count == conns", worker.conns_count++);
	BREAK("s->accepted - s->closed == conns", stats->closed++);
	BREAK("s->accepted - s->closed == conns", stats->accepted++);
	BREAK("reasons_sum(s) <= s->closed + counted", stats->reasons.internal_error++);
	BREAK("limits->handshakes >= handshaking", c->handshaking = c->early = true,
	      c->state = CONN_HANDSHAKE, c->tls = (void *)c, service.tls = some_tls,
	      c->flow.record = NULL);
	BREAK("sum == s->flows", stats->flows++);
	BREAK("s->flows_record_user == s->flows", stats->flows_plain++);
	BREAK("s->flows_tcp == s->flows", stats->flows_tcp++);
	BREAK("s->flows_bypass <= s->flows", stats->flows_bypass++);
	BREAK("histogram_count", worker.metrics->connect.count[3]++);
	BREAK("limits->connections >= conns", limits.connections = 0);
	return NULL;
}

static const char *graves_broken(unsigned row)
{
	BREAK("w->bury.queued", worker.bury.queued = false);
	BREAK("c->state == CONN_CLOSED", c->state = CONN_LINGER);
	return NULL;
}

static void of_all_connections(void **state)
{
	(void)state;
	begin(CONN_CONNECT);
	app_leg(false);
	breaks(worker_broken, check_worker);
	conn_abort(c, KEDGE_REASON_NONE);
	breaks(graves_broken, check_worker);
}

/* Each event checks its connection; the worker of a few is checked with it. */
static void event_checks(void)
{
	c->client_watch.ready(&c->client_watch, EPOLLIN);
}

static const char *event_broken(unsigned row)
{
	BREAK("conn_check: c->service->refs", service.refs = 0);
	BREAK("worker_check: w->conns_count == conns", worker.conns_count++);
	return NULL;
}

static void after_each_event(void **state)
{
	(void)state;
	joined();
	breaks(event_broken, event_checks);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(before_anything_is_known),
		TEST(during_the_handshake),
		TEST(while_the_application_is_awaited),
		TEST(while_the_client_asks_for_nothing),
		TEST(while_bytes_move),
		TEST(at_the_end),
		TEST(in_any_state),
		TEST(of_all_connections),
		TEST(after_each_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
