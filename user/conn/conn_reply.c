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
#include "http/reply.h"

/* --- who gets one ----------------------------------------------------------------------------- */

/*
 * An application that ends a connection which it has served before has most likely ended an idle
 * one. A client that hears nothing sends its request again. It would not after a 502.
 */
static bool is_told_by_the_end(const struct conn *c, enum kedge_reason reason)
{
	return !reply_status(reason) ||
	       (c->flow.edit && reason == KEDGE_REASON_app_gone && c->flow.response.done);
}

/* The only place that decides whether kedge may speak. */
static enum mover_say say_of(const struct conn *c, enum kedge_reason reason)
{
	enum mover_say say = MOVER_SAY_ANSWER;

	if (conn_is_tcp(c))
		return MOVER_SAY_RESET;
	if (c->flow.edit) /* the legs were joined */
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

struct conn_verdict conn_refuse(const struct conn *c, enum kedge_reason reason)
{
	/* If there are too many, kedge does not wait for them. */
	if (conn_is_tcp(c) || reply_status(reason) == 503)
		return conn_tell(c, reason);
	return verdict_of(CONN_HEAR, CONN_CUT, reason);
}

/* --- HEAR: what does the client ask for? ------------------------------------------------------ */

enum heard {
	HEARD,
	HEARD_NOTHING, /* until the next event */
	HEARD_MORE,    /* its share of this turn is used up: listen again in the next one */
	HEARD_FAULT,   /* the client leg is dead */
};

/* Do these bytes ask for no body? With less than a method, any answer is right that has none. */
static bool asks_head(const char *p, ssize_t n)
{
	for (; n > 0 && (*p == '\r' || *p == '\n'); n--)
		p++;
	return n < 5 || !strncasecmp(p, "HEAD ", 5);
}

/* Takes the client's first bytes. */
static enum heard hear(struct conn *c)
{
	struct mover *m = &c->worker->mover;
	ssize_t n;

	if (c->heard)
		return HEARD;
	n = record_read(c->flow.record, m->buf, m->buf_size);
	if (n == -EAGAIN)
		return HEARD_NOTHING;
	if (n == -EINTR)
		return HEARD_MORE;
	if (n < 0)
		return HEARD_FAULT;
	c->heard = true;
	c->flow.client_eof = n == 0;
	c->asked_head = asks_head((const char *)m->buf, n);
	return HEARD;
}

struct conn_verdict conn_hear_enter(struct conn *c, enum kedge_reason reason)
{
	conn_leg_close(c, true);
	c->flow.reason = reason;
	loop_timer_set(&c->worker->loop, &c->timer, conn_conf(c)->head_timeout_ms);
	return conn_hear_run(c);
}

struct conn_verdict conn_hear_run(struct conn *c)
{
	switch (hear(c)) {
	case HEARD:
		if (c->flow.client_eof && c->asked_head) /* it asks for nothing */
			return verdict_finish(KEDGE_REASON_NONE);
		return conn_tell(c, c->flow.reason);
	case HEARD_MORE:
		loop_later(&c->worker->loop, &c->again);
		break;
	case HEARD_FAULT: /* why the connection ends has been counted */
		if (c->flow.record->told)
			return verdict_of(CONN_LINGER, CONN_ALERT, KEDGE_REASON_NONE);
		return verdict_reset(KEDGE_REASON_NONE);
	case HEARD_NOTHING:
		break;
	}
	return verdict_stay();
}

/* It asks for nothing. */
struct conn_verdict conn_hear_expired(struct conn *c)
{
	(void)c;
	return verdict_finish(KEDGE_REASON_NONE);
}

/* --- REPLY: what the answer is ---------------------------------------------------------------- */

/* The editor has not seen the request, since the application went before. */
static enum reply_body reply_to_unsent(const struct flow *f)
{
	bool first = !f->edit->note->requests;

	return first && !asks_head((const char *)f->first, f->first_len) ? REPLY_TEXT : REPLY_NONE;
}

static enum reply_body reply_body_of(struct conn *c)
{
	if (c->flow.edit && c->flow.unsent && !flow_outstanding(&c->flow))
		return reply_to_unsent(&c->flow);
	if (c->flow.edit)
		return response_to_head(&c->flow.response, c->flow.edit->note) ? REPLY_HEAD
									       : REPLY_TEXT;
	return hear(c) != HEARD || c->asked_head ? REPLY_NONE : REPLY_TEXT;
}

/* Puts the answer where bytes for the client are kept. False if there is no memory for it. */
static bool reply_keep(struct conn *c, enum kedge_reason reason, enum reply_body body)
{
	char text[REPLY_BYTES_MAX];
	size_t len = reply_format(text, reason, body, time(NULL));

	if (!residue_keep(&c->flow.down, text, len))
		return false;
	c->worker->stats->responses_own++;
	if (c->access)
		access_own(c->access, reply_status(reason), reply_body(text, len));
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
