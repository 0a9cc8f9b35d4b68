/* Bind, listen, accept. See listener.h. */
#include "listen/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls/certs_check.h"
#include "base/cleanup.h"
#include "conn/conn.h"
#include "kedge/abi.h"
#include "base/log.h"
#include "tls/tls.h"
#include "conn/worker.h"

#define ACCEPTS_PER_TURN 64
#define BACKLOG          4096
/* Out of descriptors: accepting pauses this long instead of spinning. */
#define PAUSE_MS         200
/* And that is said so often at most. */
#define PAUSE_SAID_MS    10000

static int socket_for(const struct conf_listener *conf, const union addr *addr, bool shared)
{
	int fd = socket(addr->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, only = !conf->both_families;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
		   sizeof(one)); /* accepted sockets inherit it */
	if (addr->family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if ((shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0) ||
	    bind(fd, &addr->sa, addr_len(addr)) < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

/*
 * SO_REUSEPORT would let us join the listeners of another process of the same user. Binding once
 * without it tells whether the address is free; it also chooses the port where that is 0.
 */
static int reserve(const struct conf_listener *conf, union addr *addr)
{
	socklen_t len = sizeof(*addr);
	_cleanup_(close_fdp)
	int fd = socket_for(conf, addr, false);

	if (fd < 0)
		return fd;
	/* Only listen(2) meets a listener that has SO_REUSEADDR as well. */
	if (listen(fd, 1) < 0 || getsockname(fd, &addr->sa, &len) < 0)
		return -errno;
	return 0;
}

int listener_open(int *fds, size_t count, const struct conf_listener *conf,
		  char name[ADDR_TEXT_MAX])
{
	union addr addr = conf->addr;
	int err = reserve(conf, &addr);
	size_t n;

	for (n = 0; !err && n < count; n++) {
		fds[n] = socket_for(conf, &addr, true);
		if (fds[n] < 0) {
			err = fds[n];
			fds[n] = -1;
			break;
		}
	}
	for (size_t i = 0; !err && i < count; i++)
		if (listen(fds[i], BACKLOG) < 0)
			err = -errno;
	if (err) {
		while (n > 0) {
			close(fds[--n]);
			fds[n] = -1;
		}
		return log_err(err, "listener %s: cannot listen%s", conf->name,
			       err == -EADDRINUSE ? " (another process has this port: ss -ltnp)"
						  : "");
	}
	addr_format(name, &addr);
	return 0;
}

static void warn_paused(struct worker *w, const struct listener *l, int err)
{
	w->pauses++;
	if (w->pause_said_ms && w->loop.now_ms < w->pause_said_ms + PAUSE_SAID_MS)
		return;
	log_emit(LOG_WARN, err,
		 "listener %s: accepting paused for %d ms, %u pauses so far; raise the limit of "
		 "open files (ulimit -Hn, LimitNOFILE=) or lower connections-max",
		 l->conf->name, PAUSE_MS, w->pauses);
	w->pause_said_ms = w->loop.now_ms;
}

static void pause_accept(struct listener *l, int err)
{
	struct loop *loop = &l->worker->loop;

	warn_paused(l->worker, l, err);
	loop_mod(loop, l->fd, &l->watch, 0);
	loop_timer_set(loop, &l->resume, PAUSE_MS);
}

static void resume_accept(struct timer *timer)
{
	struct listener *l = (struct listener *)((char *)timer - offsetof(struct listener, resume));

	if (l->fd >= 0)
		loop_mod(&l->worker->loop, l->fd, &l->watch, EPOLLIN);
}

/* KEDGE_REASON_NONE, and it is counted until listener_leave(); or why not. */
static enum kedge_reason admit(struct listener *l)
{
	struct limits *limits = l->worker->shared->limits;

	if (!limits_enter(&limits->connections, l->generation->conf->connections_max))
		return KEDGE_REASON_limit_connections;
	if (limits_enter(l->connections, l->conf->connections_max))
		return KEDGE_REASON_NONE;
	limits_leave(&limits->connections);
	return KEDGE_REASON_limit_listener;
}

void listener_leave(struct listener *l)
{
	limits_leave(l->connections);
	limits_leave(&l->worker->shared->limits->connections);
}

/* Over a limit: told by a reset at once, and counted. */
static void turn_away(struct listener *l, int fd, enum kedge_reason reason)
{
	struct worker *w = l->worker;
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	w->stats->accepted++;
	w->stats->closed++;
	l->metrics->accepted++;
	l->metrics->closed++;
	if (reason == KEDGE_REASON_limit_listener)
		w->stats->reasons.limit_listener++;
	else
		w->stats->reasons.limit_connections++;
}

/* Returns true when there may be more. */
static bool accept_some(struct listener *l)
{
	struct worker *w = l->worker;

	for (int i = 0; i < ACCEPTS_PER_TURN && l->fd >= 0; i++) {
		union addr peer = {0};
		socklen_t len = sizeof(peer);
		int fd = accept4(l->fd, &peer.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		enum kedge_reason reason = fd >= 0 ? admit(l) : KEDGE_REASON_NONE;

		if (reason != KEDGE_REASON_NONE)
			turn_away(l, fd, reason);
		else if (fd >= 0)
			conn_accept(w, l, fd, &peer);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			return pause_accept(l, errno), false;
		else if (errno == EAGAIN)
			return false;
		/* anything else happened to one connection before we took it: the next one */
	}
	return true;
}

static void listener_ready(struct watch *watch, uint32_t events)
{
	(void)events;
	accept_some((struct listener *)((char *)watch - offsetof(struct listener, watch)));
}

/* --- from one generation to the next ----------------------------------------------------------- */

int listener_new(struct listener **out, struct worker *w, struct generation *g, size_t index)
{
	struct listener *l = calloc(1, sizeof(*l));
	int err = 0;

	if (!l)
		return log_err(ENOMEM, "listener %s", g->conf->listeners[index].name);
	l->watch.ready = listener_ready;
	l->resume.expired = resume_accept;
	l->worker = w;
	l->generation = generation_get(g);
	l->conf = &g->conf->listeners[index];
	l->connections = &g->tallies[index]->connections;
	l->fd = -1;
	l->refs = 1;
	if (l->conf->tls)
		err = tls_ctx_new(&l->tls, l->conf->certs, l->conf->certs_count, l->conf->mode,
				  &g->tls);
	/* Of later ones only what is new: see reload.c. */
	if (!err && !w->index && g->number == 1 && !certs_seen_before(g->conf, index))
		tls_ctx_warn(l->tls);
	if (err)
		listener_put(l);
	else
		*out = l;
	return err;
}

int listener_give(struct listener *l, int fd)
{
	union addr bound = {0};
	socklen_t len = sizeof(bound);
	int err;

	l->fd = fd;
	if (getsockname(fd, &bound.sa, &len) == 0)
		l->port = addr_port(&bound);
	addr_format(l->name, &bound);
	l->metrics = metrics_listener(l->worker->shared->metrics, l->name, l->worker->index);
	if (!l->metrics)
		return log_err(ENOMEM, "listener %s: no room for its counts", l->name);
	/* For no event yet, so that the worker, which asks for some, can not fail. */
	err = loop_add(&l->worker->loop, fd, &l->watch, 0);
	return err ? log_err(err, "listener %s: cannot be watched", l->conf->name) : 0;
}

/* One that was passed to kedge is open elsewhere, too, and closing would not end its events. */
static void close_socket(struct listener *l)
{
	if (l->fd < 0)
		return;
	loop_del(&l->worker->loop, l->fd);
	close(l->fd);
	l->fd = -1;
}

struct listener *listener_get(struct listener *l)
{
	l->refs++;
	return l;
}

void listener_put(struct listener *l)
{
	if (--l->refs)
		return;
	close_socket(l);
	tls_ctx_free(l->tls);
	generation_put(l->generation);
	free(l);
}

void listener_start(struct listener *l)
{
	struct loop *loop = &l->worker->loop;

	if (l->before) {
		loop_timer_stop(loop, &l->before->resume);
		l->port = l->before->port;
		l->metrics = l->before->metrics;
		memcpy(l->name, l->before->name, sizeof(l->name));
		l->fd = take_fd(l->before->fd);
		l->before = NULL;
	}
	if (l->fd >= 0)
		loop_mod(loop, l->fd, &l->watch, EPOLLIN);
}

void listener_stop(struct listener *l)
{
	if (l->fd < 0)
		return;
	/* These had been told that they are connected. */
	for (int i = 0; i < BACKLOG / ACCEPTS_PER_TURN && accept_some(l); i++)
		;
	loop_timer_stop(&l->worker->loop, &l->resume);
	close_socket(l);
}
