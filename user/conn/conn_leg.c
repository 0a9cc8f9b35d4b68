/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel does for an application's leg: BPF's editor, the bypass, the name of the client.
 * Each may be lost at any time (capability_loss.h): then the leg goes on without, or the connection
 * is refused where it is required.
 */
#include "conn/conn_private.h"

#include <errno.h>

#include "base/capability_loss.h"

/* How long the programs of peername are taken to be attached still. */
#define NAMES_LOOK_MS 1000

/*
 * What the kernel is to do for this leg: what was decided at the start, without what was lost
 * since. No bypass in mode tcp: a read that waits comes back empty-handed (EAGAIN) from a bypassed
 * socket when another thread writes to it or ends it, and one with MSG_WAITALL may see bytes out of
 * order. Who answers requests does neither; of an application that may be anything nobody knows.
 */
void conn_leg_choose(struct conn *c)
{
	const struct shared *shared = c->worker->shared;
	uint64_t now = c->worker->loop.now_ms;
	bool http = !conn_is_tcp(c);

	c->edit_kernel = http && shared->edit_kernel && capability_try(CAPABILITY_EDIT, now);
	c->bypass = http && shared->bypass && capability_try(CAPABILITY_BYPASS, now);
}

/* The kernel does not take the leg: user space does its work. False when that is not allowed. */
bool conn_leg_lost(struct conn *c, int err)
{
	uint64_t now = c->worker->loop.now_ms;
	bool may = true;

	kbpf_flow_del(c->worker->shared->bpf, &c->kbpf_flow);
	if (c->edit_kernel) {
		capability_failed(CAPABILITY_EDIT, err, now);
		may = !capability_required(CAPABILITY_EDIT);
	}
	if (c->bypass) {
		capability_failed(CAPABILITY_BYPASS, err, now);
		may &= !capability_required(CAPABILITY_BYPASS);
	}
	c->edit_kernel = c->bypass = false;
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
	struct http1_conf http1;
	int err;

	if (!c->edit_kernel && !c->bypass)
		return KEDGE_REASON_NONE;
	conn_http1_conf(c, &http1);
	err = kbpf_flow_add(c->worker->shared->bpf, &c->kbpf_flow, c->flow.app_fd, c->worker->index,
			    c->edit_kernel ? &http1 : NULL, c->bypass);
	if (!err || conn_leg_lost(c, err))
		return KEDGE_REASON_NONE;
	return err == -ENOSPC ? KEDGE_REASON_limit_connections : KEDGE_REASON_capability_lost;
}

/* Who the application is to see as its peer. */
static enum kedge_reason name_register(struct conn *c)
{
	struct peername *peername = c->worker->shared->peername;
	uint64_t now = c->worker->loop.now_ms;
	int err;

	c->named = false;
	if (!peername || !capability_try(CAPABILITY_PEERNAME, now))
		return KEDGE_REASON_NONE;
	err = peername_set(peername, c->flow.app_fd, c->nobody ? NULL : &c->client);
	c->named = !err;
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
 * Has the application's end been found? Mostly it has by now, but where it is made with the first
 * byte only (TCP_DEFER_ACCEPT) nobody knows yet. False when the flow may not go on.
 */
static bool pair_check(struct conn *c)
{
	const struct kedge_note *note = c->kbpf_flow.note;
	uint64_t now = c->worker->loop.now_ms;

	if (!c->bypass)
		return true;
	if (note->unpaired) {
		capability_failed(CAPABILITY_BYPASS, note->unpaired, now);
		c->bypass = false;
		return !capability_required(CAPABILITY_BYPASS);
	}
	if (!note->paired)
		return !capability_required(CAPABILITY_BYPASS) ||
		       !capability_is_lost(CAPABILITY_BYPASS);
	capability_worked(CAPABILITY_BYPASS, now);
	return true;
}

/* Looked at by each worker once in a while: it takes a call for each program. */
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
	int err;

	if (!c->named)
		return KEDGE_REASON_NONE;
	err = name_attached(c) ? peername_outcome(c->worker->shared->peername, c->flow.app_fd)
			       : -ENOLINK;
	if (err == -EAFNOSUPPORT && capability_required(CAPABILITY_PEERNAME))
		return KEDGE_REASON_peername_family;
	if (err && err != -EAFNOSUPPORT)
		return name_lost(c, err);
	capability_worked(CAPABILITY_PEERNAME, c->worker->loop.now_ms);
	return KEDGE_REASON_NONE;
}

enum kedge_reason conn_leg_join(struct conn *c)
{
	uint64_t now = c->worker->loop.now_ms;
	enum kedge_reason reason = name_check(c);
	int err;

	if (reason != KEDGE_REASON_NONE || !c->kbpf_flow.cookie)
		return reason;
	err = kbpf_flow_join(c->worker->shared->bpf, &c->kbpf_flow, c->flow.app_fd);
	if (err == -ECONNRESET)
		return KEDGE_REASON_app_gone;
	if (err < 0)
		return conn_leg_lost(c, err) ? KEDGE_REASON_NONE : KEDGE_REASON_capability_lost;
	if (c->edit_kernel)
		capability_worked(CAPABILITY_EDIT, now);
	return pair_check(c) ? KEDGE_REASON_NONE : KEDGE_REASON_capability_lost;
}

void conn_leg_over(struct conn *c)
{
	const struct kedge_note *note = c->kbpf_flow.note;

	/* Without an answer it is not known whether the application's end ever came to be. */
	if (!c->bypass || !c->flow.edit || !c->flow.response.done)
		return;
	if (note->paired)
		capability_worked(CAPABILITY_BYPASS, c->worker->loop.now_ms);
	else
		capability_failed(CAPABILITY_BYPASS, note->unpaired ? note->unpaired : ENXIO,
				  c->worker->loop.now_ms);
}
