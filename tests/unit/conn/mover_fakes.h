/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: a flow with a client leg and an editor that fail as real ones seldom do. The
 * application is a socket pair; the events are the test's.
 */
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/conn/fake_legs.h"

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static struct kedge_stats stats;
static uint8_t buf[256];
static struct metrics_row metrics;
static uint64_t now_us = 1;
static struct mover mover = {.buf = buf,
			     .buf_size = sizeof(buf),
			     .stats = &stats,
			     .metrics = &metrics,
			     .now_us = &now_us};
static struct leg leg;
static struct flow f;
static int app;

static int fake_edit_flush(struct edit *e)
{
	note_call('e');
	return fake.edit_flush;
}

static int fake_resume(struct edit *e, bool tunnel)
{
	note_call(tunnel ? 'T' : 'H');
	note.standing = tunnel ? KEDGE_TUNNEL : KEDGE_BETWEEN;
	return fake.resume;
}

static uint64_t fake_body_rest(struct edit *e)
{
	(void)e;
	return fake.body_rest;
}

static ssize_t fake_body(struct edit *e, const void *p, size_t len)
{
	(void)e;
	(void)p;
	note_call('b');
	assert_int_equal(note.standing, KEDGE_BODY);
	assert_true(len <= fake.body_rest);
	if (fake.send_max && len > fake.send_max)
		len = fake.send_max;
	fake.body_rest -= len;
	if (!fake.body_rest)
		note.standing = KEDGE_BETWEEN;
	return (ssize_t)len;
}

static const struct record_ops record_ops = {
	.name = "fake",
	.read = fake_read,
	.write = fake_write,
	.flush = fake_flush,
	.close_write = fake_close_write,
};
static const struct edit_ops edit_ops = {
	.name = "fake",
	.send = fake_send,
	.body_rest = fake_body_rest,
	.body = fake_body,
	.flush = fake_edit_flush,
	.resume = fake_resume,
};
static struct record record;
static struct edit edit;

static inline int up(void **state)
{
	int fds[2];

	(void)state;
	memset(&fake, 0, sizeof(fake));
	memset(&note, 0, sizeof(note));
	mover.closing = false;
	memset(&stats, 0, sizeof(stats));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds))
		return -1;
	app = fds[1];
	record = (struct record){.ops = &record_ops};
	edit = (struct edit){.ops = &edit_ops, .note = &note, .stats = &stats, .fd = fds[0]};
	leg = (struct leg){.edit = &edit, .fd = fds[0], .ready = true};
	f = (struct flow){.record = &record, .leg = &leg};
	return 0;
}

static inline int down(void **state)
{
	(void)state;
	mover_forget(&f);
	close(f.leg->fd);
	close(app);
	return 0;
}

/* A turn of the mover, and exactly the calls that it must make. */
static inline void turn(enum mover_verdict verdict, const char *calls)
{
	memset(fake.log, 0, sizeof(fake.log));
	assert_int_equal(mover_run(&mover, &f), verdict);
	assert_string_equal(fake.log, calls);
}

static inline void client_event(bool in, bool out)
{
	mover_client_event(&f, (in ? EPOLLIN : 0) | (out ? EPOLLOUT : 0));
}

/* The end is in the event when it is in the socket. */
static inline void app_event(bool in, bool out)
{
	struct pollfd p = {.fd = f.leg->fd, .events = POLLRDHUP};

	poll(&p, 1, 0);
	mover_app_event(&f, (in ? EPOLLIN : 0) | (out ? EPOLLOUT : 0) |
				    (p.revents & POLLRDHUP ? EPOLLRDHUP : 0));
}

static inline void request(void)
{
	fake.in = "GET";
	client_event(true, false);
	turn(MOVER_WAIT, "rsr");
}

static inline void answer(void)
{
	assert_int_equal(write(app, ANSWER, strlen(ANSWER)), strlen(ANSWER));
	app_event(true, false);
}

static inline void aborts_with(enum kedge_reason reason, const char *calls)
{
	turn(MOVER_ABORT, calls);
	assert_int_equal(f.reason, reason);
}
