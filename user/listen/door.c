/* SPDX-License-Identifier: BSD-2-Clause */
/* Accepts connections. See door.h. */
#include "listen/door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/container_of.h"
#include "base/log.h"
#include "base/reset_on_close.h"
#include "listen/bind.h"
#include "listen/why.h"
#include "tls/certs_check.h"

#define ACCEPTS_PER_TURN 64
/* Without free descriptors a door pauses this long instead of spinning. */
#define PAUSE_MS         200
/* A pause is logged this often at most. */
#define PAUSE_SAID_MS    10000

static void warn_paused(const struct door *d, int err)
{
	struct acceptor *a = d->acceptor;

	a->pauses++;
	if (a->pause_said_ms && a->loop->now_ms < a->pause_said_ms + PAUSE_SAID_MS)
		return;
	log_emit(LOG_LEVEL_WARN, err,
		 "listener %s: accepting paused for %d ms, %u pauses so far; raise the limit of "
		 "open files (ulimit -Hn, LimitNOFILE=) or lower connections-max",
		 d->service->conf->name, PAUSE_MS, a->pauses);
	a->pause_said_ms = a->loop->now_ms;
}

static void pause_accept(struct door *d, int err)
{
	warn_paused(d, err);
	loop_mod(d->acceptor->loop, d->fd, &d->watch, 0);
	loop_timer_set(d->acceptor->loop, &d->resume, PAUSE_MS);
}

static void resume_accept(struct timer *timer)
{
	struct door *d = container_of(timer, struct door, resume);

	if (d->fd >= 0)
		loop_mod(d->acceptor->loop, d->fd, &d->watch, EPOLLIN);
}

static bool is_lack(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

/* Something is lacking: is it there now? Else accepting pauses. */
static bool may_go_on(struct door *d, int err)
{
	if (d->acceptor->spare && d->acceptor->spare(d->acceptor))
		return true;
	pause_accept(d, err);
	return false;
}

/* Over a limit: resets the connection at once, counts it, and says why. */
static void turn_away(struct door *d, int fd, enum kedge_reason reason, const union addr *peer)
{
	struct why why = {.reason = reason, .listener = d->service->conf->name, .client = *peer};
	struct kedge_stats *stats = d->acceptor->stats;
	struct metrics_listener *metrics = d->service->metrics;

	reset_on_close(fd);
	close(fd);
	stats->accepted++;
	stats->closed++;
	metrics->accepted++;
	metrics->closed++;
	if (reason == KEDGE_REASON_limit_listener)
		stats->reasons.limit_listener++;
	else
		stats->reasons.limit_connections++;
	if (why_wanted(&why, d->service->tally, d->acceptor->loop->now_ms))
		why_say(&why);
}

/* Returns true when there may be more. */
static bool accept_some(struct door *d)
{
	for (int i = 0; i < ACCEPTS_PER_TURN && d->fd >= 0; i++) {
		union addr peer = {0};
		socklen_t len = sizeof(peer);
		int fd = accept4(d->fd, &peer.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		/* Whatever name a client gave its unix socket says nothing about who it is. */
		const union addr nobody = {.family = AF_UNSPEC};
		const bool known = peer.family != AF_UNIX;
		enum kedge_reason reason = fd >= 0 ? service_enter(d->service) : KEDGE_REASON_NONE;

		if (reason != KEDGE_REASON_NONE)
			turn_away(d, fd, reason, known ? &peer : &nobody);
		else if (fd >= 0)
			d->acceptor->accepted(d->acceptor, d->service, fd, known ? &peer : &nobody);
		else if (errno == EAGAIN || (is_lack(errno) && !may_go_on(d, errno)))
			return false;
		/* any other error is about a connection that has ended: try the next one */
	}
	return true;
}

static void door_ready(struct watch *watch, uint32_t events)
{
	(void)events;
	accept_some(container_of(watch, struct door, watch));
}

/*
 * --- from one generation to the next -----------------------------------------------------------
 */

int door_new(struct door **out, struct acceptor *a, struct generation *g, size_t index)
{
	/* For later generations reload.c warns, and only of what is new. */
	bool warn = !a->worker && g->number == 1 && !certs_seen_before(g->conf, index);
	struct door *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return log_err(ENOMEM, "listener %s", g->conf->listeners[index].name);
	d->watch.ready = door_ready;
	d->resume.expired = resume_accept;
	d->acceptor = a;
	d->fd = -1;
	err = service_new(&d->service, g, index, a->limits, warn);
	if (err)
		door_free(d);
	else
		*out = d;
	return err;
}

int door_give(struct door *d, int fd)
{
	struct acceptor *a = d->acceptor;
	struct service *s = d->service;
	union addr bound = {0};
	socklen_t len = sizeof(bound);
	int err;

	d->fd = fd;
	if (getsockname(fd, &bound.sa, &len) < 0)
		return log_err(errno, "listener %s: its own address cannot be read", s->conf->name);
	s->port = addr_port(&bound);
	addr_format(s->name, &bound);
	s->metrics = metrics_listener(a->metrics, s->name, a->worker);
	if (!s->metrics)
		return log_err(ENOMEM, "listener %s: no room for its counts", s->name);
	/* Without events. The worker asks for them later, and that cannot fail. */
	err = loop_add(a->loop, fd, &d->watch, 0);
	return err ? log_err(err, "listener %s: cannot be watched", s->conf->name) : 0;
}

/* A passed socket is open elsewhere, too, so close(2) would not end its events. */
static void close_socket(struct door *d)
{
	if (d->fd < 0)
		return;
	loop_del(d->acceptor->loop, d->fd);
	close(d->fd);
	d->fd = -1;
}

void door_free(struct door *d)
{
	if (!d)
		return;
	close_socket(d);
	if (d->service)
		service_put(d->service);
	free(d);
}

void door_start(struct door *d)
{
	struct loop *loop = d->acceptor->loop;
	struct service *s = d->service;

	if (d->before) {
		const struct service *was = d->before->service;

		loop_timer_stop(loop, &d->before->resume);
		s->port = was->port;
		s->metrics = was->metrics;
		memcpy(s->name, was->name, sizeof(s->name));
		d->fd = take_fd(d->before->fd);
		d->before = NULL;
	}
	if (d->fd < 0)
		return;
	if (s->conf->addr.family != AF_UNIX)
		tcp_alive_listener(d->fd, &s->generation->conf->tcp_alive);
	loop_mod(loop, d->fd, &d->watch, EPOLLIN);
}

void door_stop(struct door *d)
{
	if (d->fd < 0)
		return;
	/* These clients are connected already. */
	for (int i = 0; i < BIND_BACKLOG / ACCEPTS_PER_TURN && accept_some(d); i++)
		;
	loop_timer_stop(d->acceptor->loop, &d->resume);
	close_socket(d);
}
