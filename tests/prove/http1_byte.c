/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run: http1_byte short
 *
 * http1_byte() from every state that has the invariant, with every configuration and every byte.
 * The invariant holds after it, and also after http1_init(): so it holds after any number of bytes.
 * Complete: no loop, no bound.
 */
#include "any_http1.h"

/* The driver's rules of http1.h: a run begins with HOLD and ends with KEEP, CUT or END. */
static void prove_run(const struct http1 *before, const struct http1 *h, enum http1_act act)
{
	bool was = before->hold != HTTP1_LOOSE, is = h->hold != HTTP1_LOOSE;

	PROVE(act <= HTTP1_REFUSE);
	PROVE((act == HTTP1_REFUSE) == (h->state == HTTP1_REFUSED));
	PROVE(act != HTTP1_PASS || was == is);
	PROVE(act != HTTP1_HOLD || (!was && is));
	PROVE((act != HTTP1_KEEP && act != HTTP1_CUT && act != HTTP1_END) || (was && !is));
	/* What was taken out for good cannot come back. */
	PROVE(act == HTTP1_REFUSE || before->hold != HTTP1_BEING_CUT || act == HTTP1_CUT ||
	      (act == HTTP1_PASS && h->hold == HTTP1_BEING_CUT));
	if (act == HTTP1_HOLD)
		REACH("a run begins");
	if (act == HTTP1_KEEP)
		REACH("a run is kept");
	if (act == HTTP1_CUT && before->state == HTTP1_VALUE_LF)
		REACH("a line is cut");
}

/* The undecided bytes of a run are in the token, as they came. */
static void prove_token(const struct http1 *before, const struct http1 *h, enum http1_act act,
			__u8 b)
{
	__u32 owed = http1_owed(before), i;

	PROVE(act == HTTP1_REFUSE || http1_owed(h) <= HTTP1_TOKEN_MAX);
	if (act == HTTP1_HOLD && h->hold == HTTP1_HELD)
		PROVE(h->len == 1 && h->token[0] == b);
	if (act == HTTP1_PASS && h->hold == HTTP1_HELD)
		PROVE(h->len == owed + 1 && h->token[owed] == b);
	ASSUME(i < owed);
	if (act == HTTP1_KEEP || (act == HTTP1_PASS && h->hold == HTTP1_HELD))
		PROVE(h->token[i] == before->token[i]);
	if (act == HTTP1_KEEP)
		REACH("bytes come back");
}

/* Nothing but text in a head and in the framing of chunks. */
static void prove_bytes(const struct http1 *before, enum http1_act act, __u8 b)
{
	bool data = before->state == HTTP1_BODY || before->state == HTTP1_CHUNK ||
		    before->state == HTTP1_TUNNEL;

	PROVE(act == HTTP1_REFUSE || data || b >= 0x20 || b == '\r' || b == '\n' || b == '\t');
	PROVE(act == HTTP1_REFUSE || data || b != 0x7f);
	if (b == '\n' && act != HTTP1_REFUSE && !data)
		PROVE(before->state == HTTP1_START_LF || before->state == HTTP1_LINE_LF ||
		      before->state == HTTP1_VALUE_LF || before->state == HTTP1_END_LF ||
		      before->state == HTTP1_SIZE_LF || before->state == HTTP1_CHUNK_LF);
}

/* Each head is counted once, at its end; each request has a Host if it is not HTTP/1.0. */
static void prove_end(const struct http1 *before, const struct http1 *h, enum http1_act act)
{
	PROVE(h->requests == before->requests + (act == HTTP1_END));
	if (act != HTTP1_END)
		return;
	PROVE(before->state == HTTP1_END_LF && !(before->flags & HTTP1_F_TRAILER));
	PROVE(h->flags & (HTTP1_F_HOST | HTTP1_F_OLD));
	PROVE(h->state == HTTP1_WAITING || h->state == HTTP1_SIZE || h->state == HTTP1_BODY ||
	      h->state == HTTP1_START);
	PROVE((h->state == HTTP1_BODY) == (before->left != 0));
	PROVE(h->state != HTTP1_SIZE || h->flags & HTTP1_F_CODING);
	REACH("a head ends");
}

static void prove_invariant(const struct http1 *h, const struct http1_conf *c)
{
	PROVE(http1_holds(h, c));
	if (h->state == HTTP1_REFUSED)
		return;
	/* Its parts, to see which one fails. */
	PROVE(http1_hold_holds(h, c));
	PROVE(http1_limits_hold(h, c));
	PROVE(http1_place_holds(h));
	PROVE(http1_body_holds(h));
	PROVE(http1_buffers_hold(h, c));
}

void prove_http1_byte(void)
{
	struct http1 h, before;
	struct http1_conf c;
	enum http1_act act;
	__u8 b;

	any_http1(&h, &c);
	INPUT(b);
	before = h;
	act = http1_byte(&h, &c, b);
	prove_invariant(&h, &c);
	prove_run(&before, &h, act);
	prove_bytes(&before, act, b);
	prove_end(&before, &h, act);
	if (before.state == HTTP1_REFUSED)
		PROVE(act == HTTP1_REFUSE && h.reason == before.reason);
	REACH("the end");
	prove_token(&before, &h, act, b);
}
