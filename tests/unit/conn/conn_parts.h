/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: one connection of a worker that has no thread, for tests of one state's file. The
 * test sets the state, calls the file's functions and looks at their verdicts. The client leg's
 * record layer and the application leg's editor are fakes that do what the test says; the sockets
 * are real.
 */
#pragma once

#include "conn/conn.h"
#include "tests/unit/conn/conn_base.h"
#include "tests/unit/conn/fake_legs.h"
#include "tests/lib/assert_reason.h"

static ssize_t fake_drain(struct record *r, void *buf, size_t len)
{
	(void)r;
	(void)buf;
	(void)len;
	note_call('d');
	return fake.drains < 8 ? fake.drain[fake.drains++] : 1;
}

static void fake_record_free(struct record *r)
{
	(void)r;
	note_call('F');
}

static int fake_edit_flush(struct edit *e)
{
	(void)e;
	return 0;
}

static int fake_resume(struct edit *e, bool tunnel)
{
	(void)e;
	note.standing = tunnel ? KEDGE_TUNNEL : KEDGE_BETWEEN;
	return 0;
}

static void fake_edit_free(struct edit *e)
{
	(void)e;
	note_call('E');
}

static const struct record_ops record_ops = {
	.name = "fake",
	.read = fake_read,
	.write = fake_write,
	.flush = fake_flush,
	.close_write = fake_close_write,
	.drain = fake_drain,
	.free = fake_record_free,
};
static const struct edit_ops edit_ops = {
	.name = "fake",
	.send = fake_send,
	.flush = fake_edit_flush,
	.resume = fake_resume,
	.free = fake_edit_free,
};

static struct record record;
static struct edit edit;
static struct metrics_listener service_metrics;
static struct service service;
static struct conn *c;
static int client = -1;   /* the client's end of the client leg */
static int app = -1;      /* the application's end of its leg, once app_leg() made it */
static int listener = -1; /* of the application */

static inline uint64_t now(void)
{
	return worker.loop.now_ms;
}

static inline void set_clock(uint64_t ms)
{
	worker.loop.now_ms = ms;
	worker.loop.now_us = ms * 1000;
}

static inline int up(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	memset(&note, 0, sizeof(note));
	if (base_up(&listener))
		return -1;
	listener_conf.proxy = PROXY_PREFIX_REQUIRE;
	conf.prefix_timeout_ms = 1000;
	conf.handshake_timeout_ms = 2000;
	conf.connect_timeout_ms = 3000;
	conf.head_timeout_ms = 4000;
	conf.idle_timeout_ms = 20000;
	conf.linger_timeout_ms = 5000;
	conf.rate_grace_ms = 6000;
	if (base_share(-1))
		return -1;
	service_metrics = (struct metrics_listener){0};
	service = (struct service){
		.refs = 1,
		.generation = &generation,
		.conf = &listener_conf,
		.tally = &tally,
		.limits = &limits,
		.metrics = &service_metrics,
		.name = "here",
		.port = 80,
	};
	return worker_init(&worker, 0, &shared, stats);
}

/* A connection as accept(2) gave it, in the first state of its listener: PREFIX if conf is not
 * changed. */
static inline void accept_one(void)
{
	union addr peer = {0};
	socklen_t len = sizeof(peer);
	int fd;

	net_pair(&client, &fd, 0);
	assert_int_equal(getpeername(fd, &peer.sa, &len), 0);
	set_clock(1000000);
	assert_reason(service_enter(&service), KEDGE_REASON_NONE);
	conn_accept(&worker, &service, fd, &peer);
	c = LIST_FIRST(&worker.conns);
}

/* In this state, with a record layer behind its back. */
static inline void begin(enum conn_state state)
{
	accept_one();
	assert_non_null(c);
	assert_int_equal(c->state, CONN_PREFIX);
	record = (struct record){.ops = &record_ops, .fd = c->client_fd};
	c->flow.record = &record;
	c->state = (uint8_t)state;
}

/* As conn_connect.c does it. */
static inline void leg_of_server(void)
{
	assert_true(server_enter(servers.set[0], 0));
	c->flow.leg->server = servers.set[0];
	leg_set_busy(&worker.legs, c->flow.leg, true);
}

/* Gives it a leg that is connected, and one that is joined if so asked. */
static inline void app_leg(bool joined)
{
	int fd;

	net_pair(&app, &fd, 0);
	c->flow.leg = leg_new(&worker.legs, c);
	assert_non_null(c->flow.leg);
	c->flow.leg->fd = fd;
	leg_of_server();
	edit = (struct edit){.ops = &edit_ops, .note = &note, .stats = stats, .fd = fd};
	c->flow.leg->ready = joined;
	if (joined)
		c->flow.leg->edit = &edit;
}

/* Joined and active now, with nothing to read. */
static inline void joined(void)
{
	begin(CONN_MOVE);
	app_leg(true);
	c->active_ms = now();
}

/* Frees what has been closed. */
static inline void bury(void)
{
	if (LIST_EMPTY(&worker.graves))
		return;
	c->again.queued = worker.bury.queued = false;
	STAILQ_INIT(&worker.loop.tasks);
	conn_bury(&worker);
	c = NULL;
}

static inline int down(void **state)
{
	(void)state;
	if (!LIST_EMPTY(&worker.conns))
		conn_abort(c, KEDGE_REASON_NONE);
	bury();
	c = NULL;
	worker_fini(&worker);
	if (client >= 0)
		close(client);
	if (app >= 0)
		close(app);
	close(listener);
	client = app = listener = -1;
	base_down();
	return 0;
}

static inline void expect(struct conn_verdict v, enum conn_state next, enum conn_how how,
			  enum kedge_reason reason)
{
	assert_int_equal(v.next, next);
	assert_int_equal(v.how, how);
	assert_int_equal(v.reason, reason);
}

static inline void expect_stay(struct conn_verdict v)
{
	expect(v, CONN_STAY, CONN_ORDERLY, KEDGE_REASON_NONE);
}

static inline void expect_next(struct conn_verdict v, enum conn_state next)
{
	expect(v, next, CONN_ORDERLY, KEDGE_REASON_NONE);
}

static inline void expect_reset(struct conn_verdict v, enum kedge_reason reason)
{
	expect(v, CONN_CLOSED, CONN_CUT, reason);
}

/* The timer expires in this time. */
static inline void expect_timer(uint64_t ms)
{
	assert_int_equal(c->timer.due_ms, now() + ms);
}

/* What comes next at a far end: 0 for its end, or the errno of a reset. */
static inline int far_end(int fd)
{
	char byte;
	ssize_t n;

	assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS));
	n = recv(fd, &byte, 1, 0);
	assert_true(n <= 0);
	return n ? errno : 0;
}
