/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: one connection of a worker that has no thread, for tests of one state's file. The
 * test sets the state, calls the file's functions and looks at their verdicts. The client leg's
 * record layer and the application leg's editor are fakes that do what the test says; the sockets
 * are real.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn/conn.h"
#include "conn/mover.h"
#include "conn/worker.h"
#include "tests/lib/net.h"

#define GET   "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* What the next call of each kind gives; calls are logged by their first letter. */
static struct {
	const char *in;  /* for read; NULL: nothing there, "": the end */
	ssize_t read;    /* instead: an error */
	ssize_t write;   /* an error */
	size_t room;     /* or what one write takes at most; 0: all */
	int flush, shut; /* of the client leg */
	ssize_t drain[8];
	unsigned drains;
	ssize_t send;   /* an error */
	char log[128];  /* r(ead) w(rite) f(lush) c(lose_write) d(rain) F(ree), s(end), E: freed */
	char out[1024]; /* what the client got */
	size_t out_len;
} fake;

static void note_call(char letter)
{
	size_t n = strlen(fake.log);

	assert_true(n + 1 < sizeof(fake.log));
	fake.log[n] = letter;
}

static ssize_t fake_read(struct record *r, void *buf, size_t len)
{
	size_t n;

	(void)r;
	note_call('r');
	if (fake.read)
		return fake.read;
	if (!fake.in)
		return -EAGAIN;
	n = strlen(fake.in);
	assert_true(n <= len);
	memcpy(buf, fake.in, n);
	fake.in = NULL;
	return (ssize_t)n;
}

static ssize_t fake_write(struct record *r, const void *buf, size_t len)
{
	size_t n = fake.room && fake.room < len ? fake.room : len;

	(void)r;
	note_call('w');
	if (fake.write)
		return fake.write;
	assert_true(fake.out_len + n < sizeof(fake.out));
	memcpy(fake.out + fake.out_len, buf, n);
	fake.out_len += n;
	if (fake.room)
		fake.write = -EAGAIN;
	return (ssize_t)n;
}

static int fake_flush(struct record *r)
{
	(void)r;
	note_call('f');
	return fake.flush;
}

static int fake_close_write(struct record *r)
{
	(void)r;
	note_call('c');
	return fake.shut;
}

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

static struct kedge_note note;

static ssize_t fake_send(struct edit *e, const void *buf, size_t len)
{
	(void)e;
	(void)buf;
	note_call('s');
	if (fake.send)
		return fake.send;
	note.requests++;
	return (ssize_t)len;
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
static struct conf conf;
static struct conf_listener listener_conf;
static struct tally tally, *tallies[] = {&tally};
static struct generation generation;
static struct limits limits;
static struct shared shared;
static struct metrics_listener service_metrics;
static struct service service;
static struct worker worker;
static struct kedge_stats *stats;
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
	uint16_t app_port;

	(void)state;
	memset(&fake, 0, sizeof(fake));
	memset(&note, 0, sizeof(note));
	stats = aligned_alloc(64, sizeof(*stats));
	if (!stats)
		return -1;
	memset(stats, 0, sizeof(*stats));
	listener = net_listen(&app_port);
	listener_conf = (struct conf_listener){.proxy = PROXY_PREFIX_REQUIRE};
	conf = (struct conf){
		.listeners = &listener_conf,
		.listeners_count = 1,
		.app.in = {.sin_family = AF_INET,
			   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
			   .sin_port = htons(app_port)},
		.app_name = "app",
		.prefix_timeout_ms = 1000,
		.handshake_timeout_ms = 2000,
		.connect_timeout_ms = 3000,
		.head_timeout_ms = 4000,
		.idle_timeout_ms = 20000,
		.linger_timeout_ms = 5000,
		.rate_grace_ms = 6000,
		.head_bytes_max = KEDGE_HEAD_BYTES_DEFAULT,
	};
	tally = (struct tally){0};
	if (limits_init(&limits))
		return -1;
	shared = (struct shared){.limits = &limits, .metrics = metrics_new(1), .done_fd = -1};
	generation = (struct generation){.refs = 1, .number = 1, .conf = &conf, .tallies = tallies};
	service_metrics = (struct metrics_listener){0};
	service = (struct service){
		.refs = 1,
		.generation = &generation,
		.conf = &listener_conf,
		.connections = &tally.connections,
		.limits = &limits,
		.metrics = &service_metrics,
		.name = "here",
		.port = 80,
	};
	return shared.metrics ? worker_init(&worker, 0, &shared, stats) : -1;
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
	assert_int_equal(service_enter(&service), KEDGE_REASON_NONE);
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

/* Gives it a leg that is connected, and one that is joined if so asked. */
static inline void app_leg(bool joined)
{
	int fd;

	net_pair(&app, &fd, 0);
	c->flow.app_fd = fd;
	edit = (struct edit){.ops = &edit_ops, .note = &note, .stats = stats, .fd = fd};
	if (joined)
		c->flow.edit = &edit;
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
	metrics_free(shared.metrics);
	limits_fini(&limits);
	if (client >= 0)
		close(client);
	if (app >= 0)
		close(app);
	close(listener);
	client = app = listener = -1;
	free(stats);
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
