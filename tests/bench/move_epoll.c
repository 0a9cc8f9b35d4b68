/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kedge's engine: legs are registered once, edge-triggered. A recv() that returns less than was
 * asked for has emptied the socket and is not repeated (user/conn/mover.c, invariant I2). The bytes
 * go on at once, out of a buffer that all flows share.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "move.h"
#include "tls/ktls.h"

#define ENDS (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

struct flow;

struct leg {
	struct flow *flow;
	int fd;
	bool tls;
	bool in, ends, full, eof, shut;
	/* Bytes of the other leg that this one could not take. */
	uint8_t *rest;
	size_t rest_len, rest_off;
};

struct flow {
	struct leg client, app;
	bool dead; /* freed when the turn is over */
	struct flow *next_dead;
};

static int epoll_fd;
static uint8_t buf[MOVE_BYTES];
static struct flow *graves;

static void watch(struct leg *leg)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.ptr = leg};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, leg->fd, &ev) < 0)
		move_die("epoll_ctl");
}

static void flow_end(struct flow *f)
{
	f->dead = true;
	f->next_dead = graves;
	graves = f;
}

static void bury(void)
{
	while (graves) {
		struct flow *f = graves;

		graves = f->next_dead;
		close(f->client.fd);
		close(f->app.fd);
		free(f->client.rest);
		free(f->app.rest);
		free(f);
	}
}

/* As recv(2), with -errno. An alert from the client counts as its end. */
static ssize_t leg_read(struct leg *leg)
{
	uint8_t type;
	ssize_t n;

	if (!leg->tls) {
		n = recv(leg->fd, buf, sizeof(buf), MSG_DONTWAIT);
		return n < 0 ? -errno : n;
	}
	n = ktls_recv(leg->fd, buf, sizeof(buf), &type);
	if (n > 0 && type != TLS_CONTENT_DATA)
		return type == TLS_CONTENT_ALERT ? 0 : -EPROTO;
	return n;
}

static void keep(struct leg *to, const uint8_t *p, size_t n)
{
	to->full = true;
	to->rest = malloc(n);
	if (!to->rest)
		move_die("malloc");
	memcpy(to->rest, p, n);
	to->rest_len = n;
	to->rest_off = 0;
}

/* False when the leg is dead. */
static bool leg_write(struct leg *to, const uint8_t *p, size_t n)
{
	ssize_t sent = send(to->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0 && errno != EAGAIN)
		return false;
	if (sent < 0)
		sent = 0;
	if ((size_t)sent < n)
		keep(to, p + sent, n - (size_t)sent);
	return true;
}

static bool leg_flush(struct leg *to)
{
	ssize_t sent = send(to->fd, to->rest + to->rest_off, to->rest_len - to->rest_off,
			    MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0 && errno == EAGAIN) {
		to->full = true;
		return true;
	}
	if (sent < 0)
		return false;
	to->rest_off += (size_t)sent;
	if (to->rest_off == to->rest_len) {
		free(to->rest);
		to->rest = NULL;
	}
	return true;
}

enum step { IDLE, MOVED, DEAD };

static enum step step(struct leg *from, struct leg *to)
{
	ssize_t n;

	if (to->full || to->shut)
		return IDLE;
	if (to->rest)
		return leg_flush(to) ? MOVED : DEAD;
	if (from->eof) {
		move_shut(to->fd, to->tls);
		to->shut = true;
		return MOVED;
	}
	if (!from->in)
		return IDLE;
	n = leg_read(from);
	if (n == -EAGAIN) {
		from->in = false;
		return IDLE;
	}
	if (n < 0)
		return DEAD;
	if (n == 0) {
		from->eof = true;
		return MOVED;
	}
	if ((size_t)n < sizeof(buf))
		from->in = from->ends;
	return leg_write(to, buf, (size_t)n) ? MOVED : DEAD;
}

static void run(struct flow *f)
{
	/* kedge gives other flows a turn after some rounds; here no flow waits. */
	for (;;) {
		enum step up = step(&f->client, &f->app), down = step(&f->app, &f->client);

		if (up == DEAD || down == DEAD || (f->client.shut && f->app.shut)) {
			flow_end(f);
			return;
		}
		if (up == IDLE && down == IDLE)
			return;
	}
}

static void ready(struct leg *leg, uint32_t events)
{
	if (leg->flow->dead)
		return;
	leg->ends |= !!(events & ENDS);
	leg->in |= !!(events & (EPOLLIN | ENDS));
	if (events & EPOLLOUT)
		leg->full = false;
	run(leg->flow);
}

static void accept_all(const struct move *m)
{
	int client, app;

	while (move_accept(m, &client, &app)) {
		struct flow *f = calloc(1, sizeof(*f));

		if (!f)
			move_die("calloc");
		f->client = (struct leg){.flow = f, .fd = client, .tls = m->tls, .in = true};
		f->app = (struct leg){.flow = f, .fd = app};
		watch(&f->client);
		watch(&f->app);
	}
}

void move_epoll(const struct move *m)
{
	struct epoll_event events[MOVE_EVENTS], ev = {.events = EPOLLIN};

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, m->listener, &ev) < 0)
		move_die("epoll");
	puts("epoll: edge-triggered");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, MOVE_EVENTS, -1);

		if (n < 0 && errno != EINTR)
			move_die("epoll_wait");
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				ready(events[i].data.ptr, events[i].events);
			else
				accept_all(m);
		}
		bury();
	}
}
