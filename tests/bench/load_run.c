/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Batches of requests. See load_run.h.
 *
 * Without a rate the loop is closed: a connection sends its next request when the answer has come.
 * With a rate, requests are due at fixed times, and the latency counts from the time at which a
 * request was due, even if no connection was free then. So a proxy cannot hide a stall.
 */
#include "load_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cpu.h"

#define EVENTS_MAX 64

static void fail(const char *what)
{
	fprintf(stderr, "load: %s: %m\n", what);
	exit(1);
}

void load_run_init(struct load_run *r, const struct load *load)
{
	struct epoll_event ev = {.events = EPOLLIN}; /* data.ptr NULL: the timer */

	memset(r, 0, sizeof(*r));
	r->load = load;
	conn_env_init(&r->env, load);
	r->conns = calloc(load->connections, sizeof(*r->conns));
	if (!r->conns)
		fail("calloc");
	for (unsigned i = 0; i < load->connections; i++)
		conn_init(&r->conns[i], &r->env);
	r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (r->timer_fd < 0 || epoll_ctl(r->env.epoll_fd, EPOLL_CTL_ADD, r->timer_fd, &ev) < 0)
		fail("timerfd");
}

void load_run_fini(struct load_run *r)
{
	for (unsigned i = 0; i < r->load->connections; i++)
		conn_fini(&r->conns[i]);
	free(r->conns);
	close(r->timer_fd);
	conn_env_fini(&r->env);
}

static void begin(struct load_run *r, struct conn *c, uint64_t due_ns)
{
	r->started++;
	c->begun_ns = due_ns;
	if (r->load->mode == LOAD_NEW || r->load->mode == LOAD_RESUME)
		conn_close(c);
	conn_request(c);
}

/* Gives an idle connection its next request, if there is one for it now. */
static bool next_request(struct load_run *r, struct conn *c, uint64_t now)
{
	uint64_t due = r->first_ns + r->started * r->interval_ns;

	if (r->started == r->total)
		return false;
	if (!r->interval_ns) {
		begin(r, c, now);
		return true;
	}
	if (due <= now) {
		begin(r, c, due);
		return true;
	}
	c->next = r->idle;
	r->idle = c;
	return false;
}

static void drive(struct load_run *r, struct conn *c)
{
	for (;;) {
		enum conn_verdict verdict = conn_step(c);
		uint64_t now;

		if (verdict == CONN_WAIT)
			return;
		if (verdict == CONN_FAILED)
			exit(1);
		now = now_ns();
		r->finished++;
		if (r->result)
			hist_add(&r->result->latency, now - c->begun_ns);
		if (!next_request(r, c, now))
			return;
	}
}

/* Sets the timer for the next request that is due, if there is a connection for it. */
static void set_timer(struct load_run *r)
{
	uint64_t due = r->first_ns + r->started * r->interval_ns;
	struct itimerspec at = {.it_value = {.tv_sec = (time_t)(due / 1000000000),
					     .tv_nsec = (long)(due % 1000000000)}};

	if (timerfd_settime(r->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		fail("timerfd_settime");
}

/* Starts the requests that are due on idle connections. */
static void start_due(struct load_run *r)
{
	uint64_t now = now_ns();

	while (r->idle && r->started < r->total &&
	       r->first_ns + r->started * r->interval_ns <= now) {
		struct conn *c = r->idle;

		r->idle = c->next;
		begin(r, c, r->first_ns + r->started * r->interval_ns);
		drive(r, c);
	}
	if (r->idle && r->started < r->total)
		set_timer(r);
}

static void turn(struct load_run *r)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(r->env.epoll_fd, events, EVENTS_MAX, (int)r->load->patience_s * 1000);

	if (n < 0 && errno != EINTR)
		fail("epoll_wait");
	if (n == 0) {
		fprintf(stderr, "load: nothing came for %u s; %llu of %llu requests answered\n",
			r->load->patience_s, (unsigned long long)r->finished,
			(unsigned long long)r->total);
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;
		uint64_t expirations;

		if (c)
			drive(r, c);
		else if (read(r->timer_fd, &expirations, sizeof(expirations)) < 0 &&
			 errno != EAGAIN)
			fail("timerfd");
	}
	if (r->interval_ns)
		start_due(r);
}

void load_run_batch(struct load_run *r, uint64_t total, struct load_result *result)
{
	unsigned count = r->load->connections;

	r->result = result;
	r->started = r->finished = 0;
	r->total = total;
	r->env.resumed = 0;
	r->idle = NULL;
	/* The warm-up is never paced. */
	r->interval_ns = result && r->load->rate ? 1000000000 / r->load->rate : 0;
	r->first_ns = now_ns();
	for (unsigned i = 0; i < count && r->started < total; i++)
		if (next_request(r, &r->conns[i], now_ns()))
			drive(r, &r->conns[i]);
	if (r->interval_ns)
		start_due(r);
	while (r->finished < total)
		turn(r);
	if (!result)
		return;
	result->wall_ns = now_ns() - r->first_ns;
	result->resumed = r->env.resumed;
}

void load_run_hold(struct load_run *r)
{
	r->total = r->load->connections;
	for (unsigned i = 0; i < r->load->connections; i++) {
		begin(r, &r->conns[i], 0);
		r->total = r->started; /* nothing comes after this one */
		drive(r, &r->conns[i]);
		while (r->finished < r->started)
			turn(r);
	}
}
