/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: a flow with a client leg and an editor that fail as real ones seldom do. The
 * application is a socket pair; the events are the test's.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn/mover.h"

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* What the next call of each kind gives; calls are logged by their first letter. */
static struct {
	const char *in; /* for read; NULL: -EAGAIN, "": the end */
	ssize_t read, write, flush, close;
	ssize_t send, edit_flush, resume;
	size_t write_max;
	char log[64], out[256];
	size_t out_len;
} fake;

static struct kedge_note note;
static struct kedge_stats stats;
static uint8_t buf[256];
static struct metrics_row metrics;
static uint64_t now_us = 1;
static struct mover mover = {.buf = buf,
			     .buf_size = sizeof(buf),
			     .stats = &stats,
			     .metrics = &metrics,
			     .now_us = &now_us};
static struct flow f;
static int app;

static void note_call(char letter)
{
	size_t n = strlen(fake.log);

	assert_true(n + 1 < sizeof(fake.log));
	fake.log[n] = letter;
}

static ssize_t fake_read(struct record *r, void *p, size_t len)
{
	size_t n;

	note_call('r');
	if (fake.read)
		return fake.read;
	if (!fake.in)
		return -EAGAIN;
	n = strlen(fake.in);
	assert_true(n <= len);
	memcpy(p, fake.in, n);
	fake.in = NULL;
	return (ssize_t)n;
}

static ssize_t fake_write(struct record *r, const void *p, size_t len)
{
	note_call('w');
	if (fake.write)
		return fake.write;
	if (fake.write_max && len > fake.write_max)
		len = fake.write_max;
	assert_true(fake.out_len + len < sizeof(fake.out));
	memcpy(fake.out + fake.out_len, p, len);
	fake.out_len += len;
	return (ssize_t)len;
}

static int fake_flush(struct record *r)
{
	note_call('f');
	return (int)fake.flush;
}

static int fake_close(struct record *r)
{
	note_call('c');
	return (int)fake.close;
}

static ssize_t fake_send(struct edit *e, const void *p, size_t len)
{
	note_call('s');
	if (fake.send)
		return fake.send;
	note.requests++;
	return (ssize_t)len;
}

static int fake_edit_flush(struct edit *e)
{
	note_call('e');
	return (int)fake.edit_flush;
}

static int fake_resume(struct edit *e, bool tunnel)
{
	note_call(tunnel ? 'T' : 'H');
	note.standing = tunnel ? KEDGE_TUNNEL : KEDGE_BETWEEN;
	return (int)fake.resume;
}

static const struct record_ops record_ops = {
	.name = "fake",
	.read = fake_read,
	.write = fake_write,
	.flush = fake_flush,
	.close_write = fake_close,
};
static const struct edit_ops edit_ops = {
	.name = "fake",
	.send = fake_send,
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
	memset(&stats, 0, sizeof(stats));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds))
		return -1;
	app = fds[1];
	record = (struct record){.ops = &record_ops};
	edit = (struct edit){.ops = &edit_ops, .note = &note, .stats = &stats, .fd = fds[0]};
	f = (struct flow){.record = &record, .edit = &edit, .app_fd = fds[0]};
	return 0;
}

static inline int down(void **state)
{
	(void)state;
	mover_forget(&f);
	close(f.app_fd);
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
	struct pollfd p = {.fd = f.app_fd, .events = POLLRDHUP};

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
