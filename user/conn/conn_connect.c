/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CONNECT: the application's leg, and the join of both legs. It may be opened while the handshake
 * still runs: then it is ready when the client's first request is. What goes wrong in that time is
 * not told to anybody: the leg is dropped, and opened anew when the client leg is ready. The
 * functions stand in their order from the end of the file up.
 */
#include "conn/conn_private.h"

#include <errno.h>
#include <string.h>

#include "app/app.h"
#include "http/edit_bpf.h"
#include "http/edit_none.h"
#include "http/edit_user.h"
#include "http/edit_watch.h"
#include "listen/service.h"
#include "base/log.h"
#include "base/trace.h"
#include "http/xff.h"

/* How often it is said at most that source ports have run out. */
#define PORTS_SAID_MS 10000

/* --- connecting to the application ------------------------------------------------------------ */

/* How this connection's requests are to be edited. */
void conn_http1_conf(const struct conn *c, struct http1_conf *out)
{
	xff_prepare(out, conn_conf(c), &c->client, c->service->conf->tls, c->port);
}

static struct edit *edit_new_kernel(struct conn *c)
{
	struct edit *e = edit_bpf_new(c->flow.app_fd, c->worker->shared->bpf, &c->kbpf_flow,
				      c->worker->stats);

	if (e)
		c->kbpf_flow.cookie = 0; /* the editor owns it now */
	return e;
}

/* NULL with a reason. */
static struct edit *edit_new(struct conn *c, enum kedge_reason *reason)
{
	struct http1_conf http1;
	struct edit *e;

	*reason = KEDGE_REASON_no_memory;
	if (conn_is_tcp(c))
		return edit_none_new(c->flow.app_fd, c->worker->stats);
	if (c->edit_kernel) {
		e = edit_new_kernel(c);
		if (e || errno != ENOBUFS)
			return e;
		if (!conn_leg_lost(c, ENOBUFS)) {
			*reason = KEDGE_REASON_capability_lost;
			return NULL;
		}
	}
	conn_http1_conf(c, &http1);
	return edit_user_new(c->flow.app_fd, &http1, c->worker->stats);
}

static enum access_record record_kind(const struct conn *c)
{
	if (!c->service->tls)
		return ACCESS_RECORD_PLAIN;
	return !strcmp(c->flow.record->ops->name, "kernel") ? ACCESS_RECORD_KERNEL
							    : ACCESS_RECORD_USER;
}

static enum metrics_edit edit_kind(const struct conn *c)
{
	if (conn_is_tcp(c))
		return METRICS_EDIT_NONE;
	return c->edit_kernel ? METRICS_EDIT_KERNEL : METRICS_EDIT_USER;
}

static void count_flow(struct conn *c)
{
	struct kedge_stats *s = c->worker->stats;
	struct metrics_row *m = c->worker->metrics;
	enum access_record record = record_kind(c);
	enum metrics_edit edit = edit_kind(c);

	s->flows++;
	s->flows_plain += record == ACCESS_RECORD_PLAIN;
	s->flows_record_kernel += record == ACCESS_RECORD_KERNEL;
	s->flows_record_user += record == ACCESS_RECORD_USER;
	s->flows_edit_kernel += edit == METRICS_EDIT_KERNEL;
	s->flows_edit_user += edit == METRICS_EDIT_USER;
	s->flows_tcp += edit == METRICS_EDIT_NONE;
	s->flows_bypass += c->bypass;
	m->flows[record][edit][c->bypass]++;
	c->service->metrics->flows++;
	histogram_take(&m->connect, c->connect_us, 1);
}

/* --- the access log --------------------------------------------------------------------------- */

/* Without memory for it the flow goes on unlogged. */
static void access_begin(struct conn *c)
{
	const struct shared *shared = c->worker->shared;
	const struct access_facts facts = {
		.listener = c->service->name,
		.client = &c->client,
		.record = record_kind(c),
		.tls_version = c->tls_version,
		.tls_suite = c->tls_suite,
		.edit_kernel = shared->edit_kernel,
		.bypass = shared->bypass,
	};

	c->access =
		access_flow_new(shared->access, c->worker->index, &facts, &c->worker->loop.now_us);
}

/* Lets the log see the requests. */
static void access_join(struct conn *c)
{
	struct http1_conf http1;
	struct edit *e;

	access_joined(c->access, c->edit_kernel, c->bypass);
	conn_http1_conf(c, &http1);
	e = edit_watch_new(c->flow.edit, &http1, access_request, c->access);
	if (!e)
		return;
	c->flow.edit = e;
	c->flow.access = c->access;
}

static void connected(struct conn *c)
{
	enum kedge_reason reason;
	int err = app_connected(c->flow.app_fd, &conn_conf(c)->app);

	if (err < 0) {
		conn_refuse(c, err == -ETIMEDOUT ? KEDGE_REASON_app_timeout
						 : KEDGE_REASON_app_refused);
		return;
	}
	reason = conn_leg_join(c);
	if (reason == KEDGE_REASON_NONE) {
		/* Taken over by the editor, the flow still has its note. */
		const struct kedge_note *note = c->kbpf_flow.note;

		c->flow.edit = edit_new(c, &reason);
		c->flow.app_mixed = c->bypass && note ? &note->mixed : NULL;
	}
	if (!c->flow.edit) {
		conn_refuse(c, reason);
		return;
	}
	if (conn_is_tcp(c))
		response_tunnel(&c->flow.response);
	TRACE_JOIN(&c->flow);
	count_flow(c);
	if (c->access)
		access_join(c);
	conn_move_begin(c);
}

/* The application is fine: this host has run out. Said at most every ten seconds. */
static void warn_ports(struct conn *c)
{
	struct worker *w = c->worker;

	if (w->ports_said_ms && w->loop.now_ms < w->ports_said_ms + PORTS_SAID_MS)
		return;
	log_warn("application %s: no source port is left for another connection; widen "
		 "net.ipv4.ip_local_port_range (sysctl), or lower connections-max",
		 conn_conf(c)->app_name);
	w->ports_said_ms = w->loop.now_ms;
}

static enum kedge_reason no_socket(int err)
{
	switch (err) {
	case -EMFILE:
	case -ENFILE:
		return KEDGE_REASON_limit_descriptors;
	case -EAFNOSUPPORT: /* its address is IPv6, and this host has none */
		return KEDGE_REASON_app_refused;
	default:
		return KEDGE_REASON_no_memory;
	}
}

static enum kedge_reason connect_failed(struct conn *c, int err)
{
	if (err != -EADDRNOTAVAIL)
		return KEDGE_REASON_app_refused;
	warn_ports(c);
	return KEDGE_REASON_limit_ports;
}

/* A socket on its way to the application, or why not. */
static enum kedge_reason leg_open(struct conn *c)
{
	const struct conf *conf = conn_conf(c);
	enum kedge_reason reason;
	int fd, err;

	conn_leg_choose(c);
	fd = app_socket(&conf->app, c->bypass);
	c->connect_us = c->worker->loop.now_us;
	if (fd < 0)
		return no_socket(fd);
	c->flow.app_fd = fd;
	reason = conn_leg_register(c);
	if (reason != KEDGE_REASON_NONE)
		return reason;
	err = app_connect(fd, &conf->app);
	if (err)
		return connect_failed(c, err);
	if (loop_add(&c->worker->loop, fd, &c->app_watch, CONN_EVENTS) < 0)
		return KEDGE_REASON_no_memory;
	return KEDGE_REASON_NONE;
}

void conn_app_event(struct conn *c, uint32_t events)
{
	bool early = c->state == CONN_HANDSHAKE;

	/* An application may give up one that says nothing: a slow client finds a fresh one. One
	 * that is connected to itself would keep the application from coming up. */
	if (early && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) ||
		      app_connected(c->flow.app_fd, &conn_conf(c)->app) < 0)) {
		conn_app_close(c, true);
		c->app_ready = false;
		return;
	}
	mover_app_event(&c->flow, events);
	if (!c->app_ready)
		c->connect_us = c->worker->loop.now_us - c->connect_us;
	c->app_ready = true;
	if (!early)
		connected(c);
}

void conn_connect_early(struct conn *c)
{
	/* Not in mode tcp: to an application that speaks first, or counts, a connection is an
	 * event. */
	if (c->early || !conn_conf(c)->connect_early || conn_is_tcp(c))
		return;
	c->early = true;
	if (leg_open(c) != KEDGE_REASON_NONE)
		conn_app_close(c, true);
}

/* What is left of connect-timeout. */
static uint32_t timeout_left_ms(const struct conn *c)
{
	uint32_t all = conn_conf(c)->connect_timeout_ms;
	uint64_t gone = c->app_ready ? 0 : (c->worker->loop.now_us - c->connect_us) / 1000;

	return gone < all ? all - (uint32_t)gone : 1;
}

void conn_connect(struct conn *c)
{
	enum kedge_reason reason = KEDGE_REASON_NONE;

	/* It is a log of requests. */
	if (c->worker->shared->access && !conn_is_tcp(c))
		access_begin(c);
	if (c->flow.app_fd < 0)
		reason = leg_open(c);
	conn_enter(c, CONN_CONNECT, timeout_left_ms(c));
	if (reason != KEDGE_REASON_NONE)
		conn_refuse(c, reason);
	else if (c->app_ready)
		connected(c);
}
