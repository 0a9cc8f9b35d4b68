/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge's own answer: who gets one, what it is, and how it goes out. */
#include "conn/conn_reply.h"

#include <errno.h>
#include <strings.h>
#include <time.h>

#include "access/access.h"
#include "conn/conn_deadline.h"
#include "conn/conn_leg.h"
#include "conn/mover_ask.h"
#include "http/reason.h"
#include "http/reply.h"

/* --- who gets one ----------------------------------------------------------------------------- */

/*
 * Without reuse, a client connection has one leg for life. An application that ends one which it
 * has served before has most likely ended an idle one. A client that hears nothing sends its
 * request again. It would not after a 502.
 */
static bool is_told_by_the_end(const struct conn *c, enum kedge_reason reason)
{
	return !reason_status(reason) ||
	       (conn_servers(c)->conf->app_reuse == APP_REUSE_OFF && flow_is_joined(&c->flow) &&
		reason == KEDGE_REASON_app_gone && c->flow.leg->response.done);
}

/* The only place that decides whether kedge may speak. */
static enum mover_say say_of(const struct conn *c, enum kedge_reason reason)
{
	enum mover_say say = MOVER_SAY_ANSWER;

	if (conn_is_tcp(c))
		return MOVER_SAY_RESET;
	if (flow_is_joined(&c->flow))
		say = mover_may_say(&c->flow);
	return say == MOVER_SAY_ANSWER && is_told_by_the_end(c, reason) ? MOVER_SAY_NOTHING : say;
}

bool conn_may_answer(const struct conn *c, enum kedge_reason reason)
{
	return say_of(c, reason) == MOVER_SAY_ANSWER;
}

struct conn_verdict conn_tell(const struct conn *c, enum kedge_reason reason)
{
	switch (say_of(c, reason)) {
	case MOVER_SAY_ANSWER:
		return verdict_of(CONN_REPLY, CONN_ANSWER, reason);
	case MOVER_SAY_NOTHING:
		return verdict_of(CONN_REPLY, CONN_CUT, reason);
	case MOVER_SAY_RESET:
		break;
	}
	return verdict_reset(reason);
}

/* --- REPLY: what the answer is ---------------------------------------------------------------- */

/* Do these bytes ask for no body? With less than a method, any answer is right that has none. */
static bool asks_head(const char *p, ssize_t n)
{
	for (; n > 0 && (*p == '\r' || *p == '\n'); n--)
		p++;
	return n < 5 || !strncasecmp(p, "HEAD ", 5);
}

/* No leg has the request: it is kept, or not even read. */
static enum reply_body reply_to_kept(struct conn *c)
{
	struct mover *m = &c->worker->mover;
	struct flow *f = &c->flow;
	ssize_t n;

	if (f->up.data) {
		n = (ssize_t)(f->up.len - f->up.off);
		return asks_head((const char *)f->up.data + f->up.off, n) ? REPLY_NONE : REPLY_TEXT;
	}
	n = record_read(f->record, m->buf, m->buf_size);
	f->client_eof = n == 0;
	return asks_head((const char *)m->buf, n) ? REPLY_NONE : REPLY_TEXT;
}

/* The editor has not seen the request, since the application went before. */
static enum reply_body reply_to_unsent(const struct conn *c)
{
	const struct flow *f = &c->flow;

	return !conn_requests(c) && !asks_head((const char *)f->first, f->first_len) ? REPLY_TEXT
										     : REPLY_NONE;
}

static enum reply_body reply_body_of(struct conn *c)
{
	const struct flow *f = &c->flow;

	if (!flow_is_joined(f))
		return reply_to_kept(c);
	if (f->unsent && !flow_outstanding(f))
		return reply_to_unsent(c);
	return response_to_head(&f->leg->response, f->leg->edit->note) ? REPLY_HEAD : REPLY_TEXT;
}

/* Puts the answer where bytes for the client are kept. False if there is no memory for it. */
static bool reply_keep(struct conn *c, enum kedge_reason reason, enum reply_body body)
{
	char text[REPLY_BYTES_MAX];
	size_t len = reply_format(text, reason, body, time(NULL));

	if (!residue_keep(&c->flow.down, text, len))
		return false;
	c->worker->stats->responses_own++;
	c->service->metrics->own[metrics_class(reason_status(reason))]++;
	if (c->access)
		access_own(c->access, reason_status(reason), reply_body(text, len));
	return true;
}

/* From here on the client has to take something within each linger-timeout-ms. */
struct conn_verdict conn_reply_enter(struct conn *c, enum conn_how how, enum kedge_reason reason)
{
	bool answer = how == CONN_ANSWER;
	/* Before the leg is closed: its editor knows what was asked for. */
	enum reply_body body = answer ? reply_body_of(c) : REPLY_NONE;
	struct conn_verdict v;

	conn_leg_close(c, how != CONN_ORDERLY);
	residue_drop(&c->flow.up);
	if (answer && !reply_keep(c, reason, body))
		return verdict_reset(KEDGE_REASON_NONE);
	loop_timer_set(&c->worker->loop, &c->timer, conn_conf(c)->linger_timeout_ms);
	v = conn_reply_run(c);
	if (v.next == CONN_STAY)
		c->idle_acked = conn_acknowledged(c);
	return v;
}

/* --- REPLY: how it goes out ------------------------------------------------------------------- */

/* Sends what is kept, then ends our direction. */
struct conn_verdict conn_reply_run(struct conn *c)
{
	struct flow *f = &c->flow;
	int r = record_flush(f->record);

	while (r == 0 && residue_any(&f->down)) {
		ssize_t n = flow_offer_kept(f);

		if (n < 0)
			r = (int)n;
	}
	if (r == 0)
		r = record_close_write(f->record);
	if (r == -EAGAIN)
		return verdict_stay();
	if (r < 0 && f->record->told)
		return verdict_of(CONN_LINGER, CONN_ALERT, f->record->reason);
	if (r < 0)
		return verdict_reset(KEDGE_REASON_client_reset);
	f->client_shut = true;
	return verdict_next(CONN_LINGER);
}

/* A client that still takes bytes gets more time. */
struct conn_verdict conn_reply_expired(struct conn *c)
{
	uint64_t before = c->idle_acked;

	c->idle_acked = conn_acknowledged(c);
	if (c->idle_acked == before)
		return residue_any(&c->flow.down) ? verdict_reset(KEDGE_REASON_NONE)
						  : verdict_next(CONN_CLOSED);
	loop_timer_set(&c->worker->loop, &c->timer, conn_conf(c)->linger_timeout_ms);
	return verdict_stay();
}
