/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The application's leg: BPF's editor, the bypass and the name of the client, and its close. The
 * kernel may stop doing any of these at any time (capability_loss.h): then the leg goes on without
 * it, or the connection is refused if the configuration requires it.
 */
#include "conn/conn_leg.h"

#include <errno.h>

#include "access/access.h"
#include "base/capability_loss.h"
#include "base/cleanup.h"
#include "bpf/peername.h"
#include "conn/conn_queue.h"
#include "conn/mover_lease.h"
#include "listen/doors.h"
#include "app/leg_pool.h"
#include "http/edit_watch.h"
#include "http/xff.h"

/* The programs of peername are looked for again after this time. */
#define NAMES_LOOK_MS 1000

void conn_http1_conf(const struct conn *c, struct http1_conf *out)
{
	const union addr client = conn_client(c);

	xff_prepare(out, conn_conf(c), &client, c->service->conf->tls, c->port);
}

/*
 * What was decided at startup, without what was lost since. No bypass in mode tcp: on a bypassed
 * socket, a read that waits returns EAGAIN when another thread writes to the socket or ends it, and
 * a read with MSG_WAITALL may see bytes out of order. A server of requests does neither. An
 * application in mode tcp may. BPF does not see the messages of a unix socket.
 */
void conn_leg_choose(struct conn *c)
{
	struct leg *l = c->flow.leg;
	const struct shared *shared = c->worker->shared;
	uint64_t now = c->worker->loop.now_ms;
	bool may = !conn_is_tcp(c) && conn_server(c)->addr.family != AF_UNIX;

	l->edit_kernel = may && shared->edit_kernel && capability_try(CAPABILITY_EDIT, now);
	l->bypass = may && shared->bypass && capability_try(CAPABILITY_BYPASS, now);
}

bool conn_leg_lost(struct conn *c, int err)
{
	struct leg *l = c->flow.leg;
	uint64_t now = c->worker->loop.now_ms;
	bool may = true;

	kbpf_flow_del(c->worker->shared->bpf, &l->kbpf);
	if (l->edit_kernel) {
		capability_failed(CAPABILITY_EDIT, err, now);
		may = !capability_required(CAPABILITY_EDIT);
	}
	if (l->bypass) {
		capability_failed(CAPABILITY_BYPASS, err, now);
		may &= !capability_required(CAPABILITY_BYPASS);
	}
	l->edit_kernel = l->bypass = false;
	return may;
}

/* The application will not see the client. */
static enum kedge_reason name_lost(struct conn *c, int err)
{
	capability_failed(CAPABILITY_PEERNAME, err, c->worker->loop.now_ms);
	return capability_required(CAPABILITY_PEERNAME) ? KEDGE_REASON_capability_lost
							: KEDGE_REASON_NONE;
}

/*
 * --- before the connect ------------------------------------------------------------------------
 */

static enum kedge_reason flow_register(struct conn *c)
{
	struct leg *l = c->flow.leg;
	struct http1_conf http1;
	int err;

	if (!l->edit_kernel && !l->bypass)
		return KEDGE_REASON_NONE;
	conn_http1_conf(c, &http1);
	err = kbpf_flow_add(c->worker->shared->bpf, &l->kbpf, l->fd, c->worker->index,
			    l->edit_kernel ? &http1 : NULL, l->bypass);
	if (!err || conn_leg_lost(c, err))
		return KEDGE_REASON_NONE;
	return err == -ENOSPC ? KEDGE_REASON_limit_connections : KEDGE_REASON_capability_lost;
}

/* Sets whom the application sees as its peer. */
static enum kedge_reason name_register(struct conn *c)
{
	struct leg *l = c->flow.leg;
	struct peername *peername = c->worker->shared->peername;
	const union addr client = conn_client(c);
	uint64_t now = c->worker->loop.now_ms;
	int err;

	l->named = false;
	if (!peername || conn_server(c)->addr.family == AF_UNIX ||
	    !capability_try(CAPABILITY_PEERNAME, now))
		return KEDGE_REASON_NONE;
	err = peername_set(peername, l->fd, c->nobody ? NULL : &client);
	l->named = !err;
	return err ? name_lost(c, err) : KEDGE_REASON_NONE;
}

enum kedge_reason conn_leg_register(struct conn *c)
{
	enum kedge_reason reason = name_register(c);

	return reason == KEDGE_REASON_NONE ? flow_register(c) : reason;
}

/*
 * --- connected, and over -----------------------------------------------------------------------
 */

/*
 * Has the application's end been found? Mostly it has by now. With TCP_DEFER_ACCEPT that end is
 * made with the first byte, and nobody knows yet. False if the flow may not go on.
 */
static bool pair_check(struct conn *c)
{
	struct leg *l = c->flow.leg;
	const struct kedge_note *note = l->kbpf.note;
	uint64_t now = c->worker->loop.now_ms;

	if (!l->bypass)
		return true;
	if (note->unpaired) {
		capability_failed(CAPABILITY_BYPASS, note->unpaired, now);
		l->bypass = false;
		return !capability_required(CAPABILITY_BYPASS);
	}
	if (!note->paired)
		return !capability_required(CAPABILITY_BYPASS) ||
		       !capability_is_lost(CAPABILITY_BYPASS);
	capability_worked(CAPABILITY_BYPASS, now);
	return true;
}

/* Each worker looks once in a while: it takes a system call for each program. */
static bool name_attached(struct conn *c)
{
	struct worker *w = c->worker;

	if (w->loop.now_ms < w->names_look_ms)
		return true;
	w->names_look_ms = w->loop.now_ms + NAMES_LOOK_MS;
	return peername_attached(w->shared->peername);
}

/* Connected: does the application's end have the client? */
static enum kedge_reason name_check(struct conn *c)
{
	const struct leg *l = c->flow.leg;
	int err;

	if (!l->named)
		return KEDGE_REASON_NONE;
	err = name_attached(c) ? peername_outcome(c->worker->shared->peername, l->fd) : -ENOLINK;
	if (err == -EAFNOSUPPORT && capability_required(CAPABILITY_PEERNAME))
		return KEDGE_REASON_peername_family;
	if (err && err != -EAFNOSUPPORT)
		return name_lost(c, err);
	capability_worked(CAPABILITY_PEERNAME, c->worker->loop.now_ms);
	return KEDGE_REASON_NONE;
}

enum kedge_reason conn_leg_join(struct conn *c)
{
	struct leg *l = c->flow.leg;
	uint64_t now = c->worker->loop.now_ms;
	enum kedge_reason reason = name_check(c);
	int err;

	if (reason != KEDGE_REASON_NONE || !l->kbpf.cookie)
		return reason;
	err = kbpf_flow_join(c->worker->shared->bpf, &l->kbpf, l->fd);
	if (err == -ECONNRESET)
		return KEDGE_REASON_app_gone;
	if (err < 0)
		return conn_leg_lost(c, err) ? KEDGE_REASON_NONE : KEDGE_REASON_capability_lost;
	if (l->edit_kernel)
		capability_worked(CAPABILITY_EDIT, now);
	return pair_check(c) ? KEDGE_REASON_NONE : KEDGE_REASON_capability_lost;
}

/* Says whether the bypass worked. */
static void pair_over(struct conn *c)
{
	const struct leg *l = c->flow.leg;
	const struct kedge_note *note = l->kbpf.note;

	/* Without an answer it is not known whether the application's end was ever made. */
	if (!l->bypass || !l->edit || !l->response.done)
		return;
	if (note->paired)
		capability_worked(CAPABILITY_BYPASS, c->worker->loop.now_ms);
	else
		capability_failed(CAPABILITY_BYPASS, note->unpaired ? note->unpaired : ENXIO,
				  c->worker->loop.now_ms);
}

/*
 * Part of a request has gone to the application, or may have: one that is refused, or whose last
 * bytes the editor holds. Bytes in front of the editor are the rest of a tunnel, or at a boundary
 * those of another request.
 */
static bool is_cut_short(const struct conn *c)
{
	const struct edit *e = c->flow.leg->edit;

	if (!e)
		return false;
	return e->holds || e->note->standing == KEDGE_HEAD || e->note->standing == KEDGE_BODY ||
	       e->note->standing == KEDGE_REFUSED ||
	       (residue_any(&c->flow.up) && e->note->standing != KEDGE_BETWEEN);
}

/* What the connection remembers of its legs. */
static void remember(struct conn *c)
{
	const struct leg *l = c->flow.leg;
	const struct response *r = &l->response;

	if (!l->edit)
		return;
	c->requests += flow_requests(&c->flow);
	c->responses += r->done - l->before;
	if (c->access && !response_between(r))
		access_cut(c->access, r->status, response_body(r));
}

bool conn_leg_may_share(const struct conn *c)
{
	return conn_servers(c)->conf->app_reuse == APP_REUSE_SHARED &&
	       c->worker->doors->generation == c->service->generation;
}

/*
 * May any client of the worker have the leg next? Not if others need its place more.
 */
static bool may_be_shared(const struct conn *c)
{
	const struct worker *w = c->worker;
	const struct leg *l = c->flow.leg;
	const uint32_t most = conn_conf(c)->connections_max;

	return conn_leg_may_share(c) && flow_is_joined(&c->flow) && l->served_us &&
	       lease_between(&c->flow) && !lease_unfinished(&c->flow) &&
	       response_clean(&l->response) && !l->in && !l->ends && !l->eof && !l->full &&
	       !l->shut && !l->write_dead && !w->draining && server_is_ready(l->server) &&
	       w->legs.idle_count + w->conns_count <= most;
}

void conn_leg_give_back(struct conn *c)
{
	struct worker *w = c->worker;
	struct leg *l = c->flow.leg;
	uint32_t most_ms = conn_conf(c)->app_idle_timeout_ms;

	if (!l || !may_be_shared(c) || conn_queue_others_wait(w, l->server)) {
		conn_leg_close(c, false);
		return;
	}
	pair_over(c);
	remember(c);
	l->edit = edit_watch_leave(l->edit);
	l->before = l->edit->note->requests;
	leg_pool_put(&w->legs, take_ptr(c->flow.leg), leg_idle_max_ms(&w->legs, l, most_ms));
	conn_queue_leg_idle(c);
}

void conn_leg_close(struct conn *c, bool reset)
{
	struct server *server = c->flow.leg ? c->flow.leg->server : NULL;

	if (!c->flow.leg)
		return;
	reset |= is_cut_short(c);
	pair_over(c);
	remember(c);
	leg_close(&c->worker->legs, take_ptr(c->flow.leg), reset);
	conn_queue_leg_closed(c, server);
}
