/* SPDX-License-Identifier: BSD-2-Clause */
/* Joins both legs to a flow: its editor, its counts, its access log. */
#include "conn/conn_join.h"

#include <errno.h>
#include <string.h>

#include "access/access.h"
#include "base/trace.h"
#include "conn/conn_header.h"
#include "conn/conn_leg.h"
#include "conn/conn_reply.h"
#include "conn/mover_lease.h"
#include "http/edit_bpf.h"
#include "http/edit_none.h"
#include "http/edit_user.h"
#include "http/edit_watch.h"

/* --- its editor ------------------------------------------------------------------------------- */

static struct edit *edit_new_kernel(struct conn *c)
{
	struct leg *l = c->flow.leg;
	struct edit *e = edit_bpf_new(l->fd, c->worker->shared->bpf, &l->kbpf, c->worker->stats,
				      &c->worker->legs.brief);

	if (e)
		l->kbpf.cookie = 0; /* the editor owns it now */
	return e;
}

/* NULL with a reason. */
static struct edit *edit_new(struct conn *c, enum kedge_reason *reason)
{
	struct http1_conf http1;
	struct edit *e;

	*reason = KEDGE_REASON_no_memory;
	if (conn_is_tcp(c))
		return edit_none_new(c->flow.leg->fd, c->worker->stats);
	if (c->flow.leg->edit_kernel) {
		e = edit_new_kernel(c);
		if (e || errno != ENOBUFS)
			return e;
		if (!conn_leg_lost(c, ENOBUFS)) {
			*reason = KEDGE_REASON_capability_lost;
			return NULL;
		}
	}
	conn_http1_conf(c, &http1);
	return edit_user_new(c->flow.leg->fd, &http1, c->worker->stats, &c->worker->legs.brief);
}

/* --- its counts ------------------------------------------------------------------------------- */

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
	return c->flow.leg->edit_kernel ? METRICS_EDIT_KERNEL : METRICS_EDIT_USER;
}

static void count_flow(struct conn *c)
{
	struct kedge_stats *s = c->worker->stats;
	struct metrics_row *m = c->worker->metrics;
	const struct leg *l = c->flow.leg;
	enum access_record record = record_kind(c);
	enum metrics_edit edit = edit_kind(c);

	s->flows++;
	s->flows_plain += record == ACCESS_RECORD_PLAIN;
	s->flows_record_kernel += record == ACCESS_RECORD_KERNEL;
	s->flows_record_user += record == ACCESS_RECORD_USER;
	s->flows_edit_kernel += edit == METRICS_EDIT_KERNEL;
	s->flows_edit_user += edit == METRICS_EDIT_USER;
	s->flows_tcp += edit == METRICS_EDIT_NONE;
	s->flows_bypass += l->bypass;
	s->flows_splice += c->flow.splices;
	m->flows[record][edit][l->bypass]++;
	c->service->metrics->flows++;
}

static void count_header(struct conn *c)
{
	const enum conf_send_proxy version = conn_servers(c)->conf->send_proxy;

	c->worker->stats->proxy_headers_v1 += version == SEND_PROXY_V1;
	c->worker->stats->proxy_headers_v2 += version == SEND_PROXY_V2;
}

/* --- its access log --------------------------------------------------------------------------- */

void conn_access_begin(struct conn *c)
{
	const struct shared *shared = c->worker->shared;
	const union addr client = conn_client(c);
	const bool app_unix = conf_app_all_unix(conn_servers(c)->conf);
	struct access_facts facts = {
		.listener = c->service->name,
		.client = &client,
		.record = record_kind(c),
		.tls_version = c->tls_version,
		.tls_suite = c->tls_suite,
		.edit_kernel = shared->edit_kernel && !app_unix,
		.bypass = shared->bypass && !app_unix,
		.splice = c->service->conf->splice,
		.sni = c->name,
	};

	facts.id = conn_header_id(c, &facts.id_len);
	c->access =
		access_flow_new(shared->access, c->worker->index, &facts, &c->worker->loop.now_us);
}

/* Lets the log see the requests. */
static void access_join(struct conn *c)
{
	struct http1_conf http1;
	struct edit *e;

	access_joined(c->access, c->flow.leg->edit_kernel, c->flow.leg->bypass, c->flow.splices);
	conn_http1_conf(c, &http1);
	e = edit_watch_new(c->flow.leg->edit, &http1, access_request, c->access,
			   &c->worker->legs.brief);
	if (!e)
		return;
	c->flow.leg->edit = e;
	c->flow.access = c->access;
}

/*
 * Bytes that bypass TCP cannot be spliced. No flow is, where there may be some: whether one is
 * bypassed can be found out later.
 */
static bool may_splice(const struct conn *c)
{
	return c->service->conf->splice && !conn_is_tcp(c) && !c->worker->shared->bypass &&
	       record_can_splice(c->flow.record);
}

/* --- the join --------------------------------------------------------------------------------- */

/* NONE, and the flow has an editor; or why it cannot have one. */
static enum kedge_reason edit_begin(struct conn *c)
{
	enum kedge_reason reason = conn_leg_join(c);
	struct leg *l = c->flow.leg;
	const struct kedge_note *note;

	if (reason != KEDGE_REASON_NONE)
		return reason;
	note = l->kbpf.note; /* the leg still has it when the editor owns the rest */
	l->edit = edit_new(c, &reason);
	l->mixed = l->bypass && note ? &note->mixed : NULL;
	return l->edit ? KEDGE_REASON_NONE : reason;
}

/* Both legs are there, and have an editor. */
static struct conn_verdict joined(struct conn *c)
{
	c->flow.splices = may_splice(c);
	TRACE_JOIN(&c->flow);
	count_flow(c);
	if (c->access)
		access_join(c);
	return verdict_next(CONN_MOVE);
}

static void set_reuse(struct conn *c)
{
	const struct servers *s = conn_servers(c);

	c->flow.reuses = !conn_is_tcp(c) && s->conf->app_reuse != APP_REUSE_OFF;
	c->flow.elsewhere = s->count > 1 || s->conf->connect_retry_ms;
}

struct conn_verdict conn_join_idle(struct conn *c)
{
	struct http1_conf http1;

	conn_http1_conf(c, &http1);
	edit_renew(c->flow.leg->edit, &http1);
	set_reuse(c);
	c->worker->stats->legs_shared++;
	lease_go_on(&c->worker->mover, &c->flow);
	return joined(c);
}

/* Connected, and the header is sent: it has an editor from now on. */
static struct conn_verdict join(struct conn *c)
{
	enum kedge_reason reason = edit_begin(c);

	if (reason != KEDGE_REASON_NONE)
		return conn_tell(c, reason);
	if (conn_is_tcp(c))
		response_tunnel(&c->flow.leg->response);
	set_reuse(c);
	lease_begin(&c->flow);
	histogram_take(&c->worker->metrics->connect, c->flow.leg->connect_took_us, 1);
	return joined(c);
}

struct conn_verdict conn_join(struct conn *c)
{
	switch (conn_header_send(c)) {
	case HEADER_WAITS: /* and connect-timeout goes on */
		return verdict_stay();
	case HEADER_LOST:
		return conn_tell(c, KEDGE_REASON_app_gone);
	case HEADER_SENT:
		break;
	}
	count_header(c);
	return join(c);
}
