/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a connection ends: kedge's own answer, the wait for the client's end, the close. See conn.h.
 */
#include "conn/conn_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http/reply.h"
#include "tls/record_plain.h"
#include "tls/tls.h"
#include "base/trace.h"

/* Turns of reading what nobody wants any more before other connections have theirs. */
#define LINGER_READS_PER_TURN 64

/*
 * One that its address has no room for goes after this at the latest: its answer has long arrived.
 */
#define REFUSED_LINGER_MS 1000

void conn_count_reason(struct conn *c, enum kedge_reason reason)
{
	/* The struct of counters is made of the same list as the enum, in the same order. */
	uint64_t *counters = (uint64_t *)&c->worker->stats->reasons;

	if (reason == KEDGE_REASON_NONE || c->counted)
		return;
	c->counted = true;
	counters[reason - 1]++;
	TRACE_REASON(&c->flow, reason, reason_name(reason));
	if (c->access)
		access_reason(c->access, reason);
}

/* The next close(2) sends RST, not FIN: nobody shall take the unfinished for finished. */
static void reset_on_close(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void conn_app_close(struct conn *c, bool reset)
{
	if (c->flow.app_fd < 0)
		return;
	if (reset)
		reset_on_close(c->flow.app_fd);
	conn_leg_over(c);
	edit_free(c->flow.edit);
	c->flow.edit = NULL;
	if (c->kbpf_flow.cookie)
		kbpf_flow_del(c->worker->shared->bpf, &c->kbpf_flow);
	close(c->flow.app_fd);
	c->flow.app_fd = -1;
}

/* The application's leg is closed. */
static void access_end(struct conn *c)
{
	const struct response *r = &c->flow.response;
	bool begun = !response_between(r);

	access_flow_end(c->access, begun ? r->status : 0, begun ? response_body(r) : 0);
	c->access = c->flow.access = NULL;
}

void conn_close(struct conn *c)
{
	struct worker *w = c->worker;

	if (c->state == CONN_CLOSED)
		return;
	c->state = CONN_CLOSED;
	loop_timer_stop(&w->loop, &c->timer);
	mover_forget(&c->flow);
	conn_app_close(c, false);
	tls_conn_free(c->tls);
	c->tls = NULL;
	record_free(c->flow.record);
	c->flow.record = NULL;
	close(c->client_fd);
	c->client_fd = -1;
	access_end(c);
	TRACE_CLOSE(&c->flow, c->flow.response.done);
	w->stats->closed++;
	c->service->metrics->closed++;
	w->conns_count--;
	conn_handshake_over(c);
	sources_leave(w->shared->limits->sources, c->source);
	sources_refuse_over(w->shared->limits->sources, c->refused_source);
	service_leave(c->service);
	LIST_REMOVE(c, link);
	LIST_INSERT_HEAD(&w->graves, c, link);
	loop_later(&w->loop, &w->bury);
}

void conn_abort(struct conn *c, enum kedge_reason reason)
{
	conn_count_reason(c, reason);
	reset_on_close(c->client_fd);
	if (c->flow.app_fd >= 0)
		reset_on_close(c->flow.app_fd);
	conn_close(c);
}

void conn_bury(struct worker *w)
{
	struct conn *c, *next;

	for (c = LIST_FIRST(&w->graves); c; c = next) {
		next = LIST_NEXT(c, link);
		if (c->again.queued) { /* still on the list of tasks: next turn */
			loop_later(&w->loop, &w->bury);
			continue;
		}
		LIST_REMOVE(c, link);
		service_put(c->service);
		free(c);
	}
}

/*
 * What the client still sends is read and dropped: close(2) with unread bytes would send a RST,
 * which can take our last bytes from the client.
 */
void conn_linger_read(struct conn *c)
{
	struct mover *m = &c->worker->mover;
	struct record *r = c->flow.record;

	for (int i = 0; i < LINGER_READS_PER_TURN; i++) {
		ssize_t n = r ? record_drain(r, m->buf, m->buf_size)
			      : record_socket_drain(c->client_fd, m->buf, m->buf_size);

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			conn_close(c);
			return;
		}
		if (r && r->tired)
			break;
	}
	loop_later(&c->worker->loop, &c->again);
}

static uint64_t linger_due(const struct conn *c)
{
	uint32_t ms = conn_conf(c)->linger_timeout_ms;

	return c->active_ms +
	       (c->refused_source && ms > REFUSED_LINGER_MS ? REFUSED_LINGER_MS : ms);
}

/* After a fault of the record layer there may be more to take without an event that tells. */
static void linger_set_timer(struct conn *c)
{
	uint64_t now = c->worker->loop.now_ms;
	uint64_t due = linger_due(c);
	uint64_t left = due > now ? due - now : 0;

	if (c->flow.record && c->flow.record->told && left > CONN_QUIET_LOOK_MS)
		left = CONN_QUIET_LOOK_MS;
	loop_timer_set(&c->worker->loop, &c->timer, left);
}

void conn_linger_expired(struct conn *c)
{
	if (c->worker->loop.now_ms >= linger_due(c)) {
		conn_close(c);
		return;
	}
	linger_set_timer(c);
	conn_linger_read(c);
}

void conn_linger(struct conn *c)
{
	conn_app_close(c, false);
	access_end(c);
	c->state = CONN_LINGER;
	c->active_ms = c->worker->loop.now_ms;
	linger_set_timer(c);
	if (c->flow.client_eof)
		conn_close(c);
	else
		conn_linger_read(c);
}

void conn_linger_after_alert(struct conn *c)
{
	tls_conn_free(c->tls);
	c->tls = NULL;
	shutdown(c->client_fd, SHUT_WR);
	conn_linger(c);
}

void conn_record_fault(struct conn *c, enum kedge_reason reason)
{
	conn_count_reason(c, reason);
	conn_app_close(c, true);
	mover_forget(&c->flow);
	shutdown(c->client_fd, SHUT_WR);
	conn_linger(c);
}

/* --- kedge's own answer ----------------------------------------------------------------------- */

/* Our direction ends after the last byte of it. */
void conn_reply_run(struct conn *c)
{
	struct flow *f = &c->flow;
	int r = record_flush(f->record);

	while (r == 0 && f->down.data) {
		ssize_t n = record_write(f->record, f->down.data + f->down.off,
					 f->down.len - f->down.off);

		r = n < 0 ? (int)n : 0;
		if (n > 0 && (f->down.off += (uint32_t)n) == f->down.len)
			mover_forget(f);
	}
	if (r == 0)
		r = record_close_write(f->record);
	if (r == 0)
		conn_linger(c);
	else if (r != -EAGAIN)
		conn_abort(c, KEDGE_REASON_client_reset);
}

void conn_reply_expired(struct conn *c)
{
	uint64_t before = c->idle_acked;

	c->idle_acked = conn_acknowledged(c);
	if (c->idle_acked != before)
		conn_enter(c, CONN_REPLY, conn_conf(c)->linger_timeout_ms);
	else if (c->flow.down.data)
		conn_abort(c, KEDGE_REASON_NONE);
	else
		conn_close(c);
}

/* From here on a client has to take something within each linger-timeout-ms. */
static void reply_begin(struct conn *c)
{
	conn_enter(c, CONN_REPLY, conn_conf(c)->linger_timeout_ms);
	conn_reply_run(c);
	if (c->state == CONN_REPLY)
		c->idle_acked = conn_acknowledged(c);
}

void conn_finish(struct conn *c)
{
	conn_app_close(c, false);
	reply_begin(c);
}

/*
 * What the client is told of this reason: the only place that decides whether kedge may speak. An
 * application that ends a connection which it has served before has most likely ended an idle one:
 * the client, which hears nothing, sends its request again. It would not after a 502.
 */
static enum mover_say say_of(struct conn *c, enum kedge_reason reason)
{
	enum mover_say say;

	if (conn_is_tcp(c))
		return MOVER_SAY_RESET;
	if (!c->flow.edit) /* the legs were never joined */
		return reply_status(reason) ? MOVER_SAY_ANSWER : MOVER_SAY_NOTHING;
	say = mover_may_say(&c->flow);
	if (say == MOVER_SAY_ANSWER &&
	    (!reply_status(reason) || (reason == KEDGE_REASON_app_gone && c->flow.response.done)))
		say = MOVER_SAY_NOTHING;
	return say;
}

/* What the client has sent so far; false when that is nothing yet. */
static bool hear(struct conn *c)
{
	struct mover *m = &c->worker->mover;
	const char *p = (const char *)m->buf;
	ssize_t n;

	if (c->heard)
		return true;
	n = record_read(c->flow.record, m->buf, m->buf_size);
	if (n == -EAGAIN)
		return false;
	c->heard = true;
	c->flow.client_eof = n == 0;
	for (; n > 0 && (*p == '\r' || *p == '\n'); n--)
		p++;
	/* With less than a method any answer is right that has no body. */
	c->asked_head = n < 5 || !strncasecmp(p, "HEAD ", 5);
	return true;
}

static enum reply_body reply_body_of(struct conn *c)
{
	if (c->flow.edit)
		return response_to_head(&c->flow.response, c->flow.edit->note) ? REPLY_HEAD
									       : REPLY_TEXT;
	return !hear(c) || c->asked_head ? REPLY_NONE : REPLY_TEXT;
}

/* Puts the answer where bytes for the client are kept; false without memory for it. */
static bool reply_keep(struct conn *c, enum kedge_reason reason, enum reply_body body)
{
	struct residue *down = &c->flow.down;
	char text[REPLY_BYTES_MAX];
	size_t len = reply_format(text, reason, body, time(NULL));

	assert(!down->data); /* inside another response it would be taken for a part of that */
	down->data = malloc(len);
	if (!down->data)
		return false;
	memcpy(down->data, text, len);
	down->len = (uint32_t)len;
	down->off = 0;
	c->worker->stats->responses_own++;
	if (c->access)
		access_own(c->access, reply_status(reason), reply_body(text, len));
	return true;
}

void conn_reply(struct conn *c, enum kedge_reason reason)
{
	enum mover_say say = say_of(c, reason);
	enum reply_body body;

	if (say == MOVER_SAY_RESET) {
		conn_abort(c, reason);
		return;
	}
	conn_count_reason(c, reason);
	body = reply_body_of(c);
	conn_app_close(c, true);
	if (say == MOVER_SAY_ANSWER && !reply_keep(c, reason, body)) {
		conn_abort(c, KEDGE_REASON_NONE);
		return;
	}
	reply_begin(c);
}

void conn_hear_run(struct conn *c)
{
	if (!hear(c))
		return;
	if (c->flow.client_eof && c->asked_head)
		conn_finish(c); /* it asks for nothing */
	else
		conn_reply(c, c->flow.reason);
}

/* Those who are too many are not waited for. */
void conn_refuse(struct conn *c, enum kedge_reason reason)
{
	if (conn_is_tcp(c) || reply_status(reason) == 503) {
		conn_reply(c, reason);
		return;
	}
	conn_count_reason(c, reason);
	conn_app_close(c, true);
	c->flow.reason = reason;
	conn_enter(c, CONN_HEAR, conn_conf(c)->head_timeout_ms);
	conn_hear_run(c);
}
