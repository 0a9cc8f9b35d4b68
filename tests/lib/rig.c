/* SPDX-License-Identifier: BSD-2-Clause */
/* A flow between two loopback connections. See rig.h. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "http/edit_user.h"
#include "http/xff.h"
#include "tls/record_plain.h"

static void watch(struct rig *r, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.fd = fd};

	assert_return_code(epoll_ctl(r->ep, EPOLL_CTL_ADD, fd, &ev), errno);
}

void rig_up(struct rig *r, size_t buf, int socket_bufs)
{
	union addr client = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000207)}};
	struct http1_conf conf;

	*r = (struct rig){0};
	net_pair(&r->client, &r->client_leg, socket_bufs);
	net_pair(&r->app_leg, &r->app, socket_bufs);
	r->ep = epoll_create1(EPOLL_CLOEXEC);
	assert_true(r->ep >= 0);
	watch(r, r->client_leg);
	watch(r, r->app_leg);
	r->scratch.stats = &r->stats;
	r->now_us = 1;
	r->m = (struct mover){.buf = malloc(buf),
			      .buf_size = buf,
			      .stats = &r->stats,
			      .metrics = &r->metrics,
			      .now_us = &r->now_us};
	http1_conf_set(&conf, HTTP1_XFF_APPEND, 0, &client, false, 80);
	r->leg = (struct leg){.fd = r->app_leg,
			      .edit = edit_user_new(r->app_leg, &conf, &r->stats, NULL)};
	r->f = (struct flow){.record = record_plain_new(r->client_leg, &r->scratch),
			     .leg = &r->leg};
	assert_true(r->m.buf && r->f.record && r->f.leg->edit);
	r->f.client_in = true;
}

void rig_down(struct rig *r)
{
	int *fds[] = {&r->client, &r->app, &r->client_leg, &r->app_leg, &r->ep};

	mover_forget(&r->f);
	edit_free(r->f.leg->edit);
	record_free(r->f.record);
	free(r->m.buf);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
}

static void take_event(struct rig *r, const struct epoll_event *ev)
{
	if (ev->data.fd == r->client_leg)
		mover_client_event(&r->f, ev->events);
	else
		mover_app_event(&r->f, ev->events);
}

static bool is_over(const struct rig *r)
{
	return r->verdict != MOVER_WAIT && r->verdict != MOVER_MORE;
}

bool rig_turn(struct rig *r, int ms)
{
	struct epoll_event ev[4];
	int n = is_over(r) ? 0 : epoll_wait(r->ep, ev, 4, ms);

	for (int i = 0; i < n; i++)
		take_event(r, &ev[i]);
	if (n <= 0)
		return false;
	do {
		r->verdict = mover_run(&r->m, &r->f);
		r->turns++;
		/* I1 */
		assert_true(!r->f.up.data || r->f.up.len <= r->m.buf_size);
		assert_true(!r->f.down.data || r->f.down.len <= r->m.buf_size);
	} while (r->verdict == MOVER_MORE);
	return true;
}

void rig_settle(struct rig *r)
{
	while (rig_turn(r, NET_QUIET_MS))
		;
}

enum mover_verdict rig_end(struct rig *r)
{
	uint64_t until = net_now_ms() + NET_PATIENCE_MS;

	while (!is_over(r) && net_now_ms() < until)
		rig_turn(r, 100);
	if (!is_over(r))
		fail_msg("the flow does not end");
	return r->verdict;
}

/* One turn, and a little time for a far end when nothing happens. */
static void idle_turn(struct rig *r, int far, short events)
{
	if (!rig_turn(r, 0))
		net_wait(far, events, 2);
}

void rig_send(struct rig *r, int far, const void *bytes, size_t n)
{
	uint64_t until = net_now_ms() + NET_PATIENCE_MS;
	size_t at = 0;

	while (at < n && net_now_ms() < until) {
		ssize_t sent = send(far, (const char *)bytes + at, n - at, MSG_NOSIGNAL);

		if (sent > 0)
			at += (size_t)sent;
		else
			idle_turn(r, far, POLLOUT);
	}
	if (at < n)
		fail_msg("only %zu of %zu bytes can be sent", at, n);
	while (rig_turn(r, 0))
		;
}

void rig_say(struct rig *r, int far, const char *text)
{
	rig_send(r, far, text, strlen(text));
}

void rig_recv(struct rig *r, int far, void *bytes, size_t n)
{
	uint64_t until = net_now_ms() + NET_PATIENCE_MS;
	size_t at = 0;

	while (at < n && net_now_ms() < until) {
		ssize_t got = recv(far, (char *)bytes + at, n - at, 0);

		if (got > 0)
			at += (size_t)got;
		else if (got == 0 || errno != EAGAIN)
			fail_msg("%s after %zu of %zu bytes: '%.*s'", got ? "error" : "end", at, n,
				 (int)at, (char *)bytes);
		else
			idle_turn(r, far, POLLIN);
	}
	if (at < n)
		fail_msg("only %zu of %zu bytes came: '%.*s'", at, n, (int)at, (char *)bytes);
}

void rig_hear(struct rig *r, int far, const char *text)
{
	char *got = calloc(1, strlen(text) + 1);

	assert_non_null(got);
	rig_recv(r, far, got, strlen(text));
	if (strcmp(got, text))
		fail_msg("expected '%s', got '%s'", text, got);
	free(got);
}

void rig_hear_end(struct rig *r, int far)
{
	uint64_t until = net_now_ms() + NET_PATIENCE_MS;
	ssize_t got = -1;
	char byte;

	while (net_now_ms() < until) {
		got = recv(far, &byte, 1, 0);
		if (got >= 0 || errno != EAGAIN)
			break;
		idle_turn(r, far, POLLIN);
	}
	if (got)
		fail_msg("%s instead of the end", got > 0 ? "a byte" : strerror(errno));
}

void rig_hear_nothing(struct rig *r, int far)
{
	char byte;

	rig_settle(r);
	assert_int_equal(recv(far, &byte, 1, MSG_PEEK), -1);
	assert_int_equal(errno, EAGAIN);
}

void rig_close(struct rig *r, int *far)
{
	close(*far);
	*far = -1;
}
