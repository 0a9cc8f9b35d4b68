/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client gets: its application's responses in order, and kedge's own answer behind them. */
#include <ctype.h>
#include <string.h>

#include "cover.h"
#include "http/reason.h"
#include "http/reply.h"
#include "http/response.h"
#include "calls.h"
#include "oracle.h"
#include "sim_conf.h"

/* --- places in the application's stream ------------------------------------------------------- */

/* The last end of a response at or before `at`. *finals: how many were before it. */
static size_t boundary(const struct client *c, size_t at, unsigned *finals)
{
	size_t last = 0;

	*finals = 0;
	for (unsigned i = 0; i < c->items; i++) {
		const struct item *it = &c->item[i];

		if (it->odd || it->end > at)
			break;
		last = it->end;
		*finals += it->final;
	}
	return last;
}

/* The response that this byte is in; NULL: none. */
static const struct item *item_at(const struct client *c, size_t at)
{
	for (unsigned i = 0; i < c->items; i++) {
		const struct item *it = &c->item[i];

		if (it->begin <= at && at < it->end)
			return it;
	}
	return NULL;
}

/* --- kedge's own answer ----------------------------------------------------------------------- */

/* Is the request behind so many others a HEAD? Not *known: kedge may have read less than that. */
static bool asks_head(const struct client *c, unsigned k, bool *known)
{
	const struct script *s = &c->script;
	unsigned before = k < s->requests ? k : s->requests;
	size_t at = before ? s->request[before - 1].say_end : 0;

	/* One empty line before a request is ignored. Behind more, kedge reads no method. */
	if (s->say.len - at >= 2 && !memcmp(s->say.data + at, "\r\n", 2))
		at += 2;
	*known = c->says_read != SIZE_MAX && c->says_read >= at + 5;
	if (k < s->requests)
		return s->request[k].head;
	return s->say.len - at >= 5 && !memcmp(s->say.data + at, "HEAD ", 5);
}

static bool begins(const struct client *c, const char *text, size_t len)
{
	size_t n = c->got.len - c->matched;

	return n <= len && !memcmp(c->got.data + c->matched, text, n);
}

static bool own_is(const struct client *c, enum reply_body body, bool whole)
{
	char text[REPLY_BYTES_MAX];
	size_t len = reply_format(text, c->says, body, WORLD_DATE);

	return begins(c, text, len) && (!whole || c->got.len - c->matched == len);
}

/*
 * A fault of a request is told behind the responses to all requests before it. (Where kedge itself
 * waits for the application, and tells of that, no fault was found.)
 */
static void judge_order(const struct client *c, unsigned finals)
{
	const struct script *s = &c->script;
	unsigned before = 0;

	if (!s->request || (!reason_is_refusal(c->says) &&
			    (c->says != KEDGE_REASON_head_timeout || c->says_read == SIZE_MAX)))
		return;
	while (before < s->requests && s->request[before].say_end &&
	       s->request[before].say_end <= c->says_read)
		before++;
	if (finals < before)
		world_fail("client %u: kedge answers a fault behind %u responses, and %u are due",
			   c->id, finals, before);
}

static void judge_own(struct client *c)
{
	unsigned finals, i;
	bool head, known;

	boundary(c, c->matched, &finals);
	head = asks_head(c, finals, &known);
	if (!c->says)
		world_fail("client %u gets bytes that the application did not send, at %zu of %zu",
			   c->id, c->matched, c->got.len);
	if (c->tcp)
		world_fail("client %u gets an answer of kedge in mode tcp", c->id);
	for (i = 0; i < c->items && c->item[i].end <= c->matched; i++)
		if (c->item[i].closes)
			world_fail("client %u: kedge answers behind the last response", c->id);
	if (c->says == KEDGE_REASON_app_gone && finals && !c->reuse)
		world_fail("client %u: 502 on a connection that was served before", c->id);
	if (!own_is(c, REPLY_NONE, false) && !(head && own_is(c, REPLY_HEAD, false)) &&
	    !(!(head && known) && own_is(c, REPLY_TEXT, false)))
		world_fail("client %u: an answer of kedge that is not the right one, or not at the "
			   "end of a response (%zu of %zu)",
			   c->id, c->matched, c->got.len);
	judge_order(c, finals);
}

/* --- what it gets ----------------------------------------------------------------------------- */

/* The leg that this byte of its stream is of; NULL: none. */
static const struct served *leg_at(const struct client *c, size_t at)
{
	const struct served *l = c->used;

	while (l && at < l->begin)
		l = l->before;
	return l;
}

/* How far it has its stream, of which kedge can have no more than it has read. */
static size_t common(const struct client *c)
{
	size_t at = c->matched;

	while (at < c->got.len && at < stream_read(c)) {
		const struct served *l = leg_at(c, at);
		size_t end =
			l->begin + l->s->in_taken < l->cut ? l->begin + l->s->in_taken : l->cut;

		while (at < c->got.len && at < end &&
		       c->got.data[at] == l->s->in.data[at - l->begin])
			at++;
		if (at < end)
			break;
	}
	return at;
}

static void judge_banned(const struct client *c)
{
	for (unsigned i = 0; i < c->items; i++) {
		const struct item *it = &c->item[i];

		if (it->judged && it->banned && it->begin < c->matched)
			world_fail("client %u gets a response that nobody asked for, at %zu", c->id,
				   it->begin);
	}
}

/* Something odd is in what it got, so nobody knows what an end means. */
static bool after_odd(const struct client *c)
{
	for (unsigned i = 0; i < c->items; i++)
		if (c->item[i].odd && c->item[i].begin <= c->matched)
			return true;
	return c->unknown;
}

/*
 * kedge may add RESPONSE_CLOSE behind a status line, once. `at` is where the client has something
 * else than the application's stream. Takes the line out of what the client has, if all of it has
 * come. False: there is none.
 */
static bool take_close(struct client *c, size_t at)
{
	size_t line = at, left;

	while (line && c->got.data[line - 1] != '\n')
		line--;
	left = c->got.len - line;
	if (!line || memcmp(c->got.data + line, RESPONSE_CLOSE,
			    left < RESPONSE_CLOSE_LEN ? left : RESPONSE_CLOSE_LEN))
		return false;
	c->matched = line;
	if (left < RESPONSE_CLOSE_LEN)
		return true;
	left -= RESPONSE_CLOSE_LEN;
	memmove(c->got.data + line, c->got.data + line + RESPONSE_CLOSE_LEN, left);
	c->got.len -= RESPONSE_CLOSE_LEN;
	c->told = true;
	cover_count(COVER_TOLD);
	return true;
}

void oracle_client_gets(struct client *c, const uint8_t *p, size_t n)
{
	unsigned finals;

	http1_bytes_add(&c->got, p, n);
	if (!c->own) {
		size_t at = common(c);

		if (at < c->got.len && sim_mood.closing && !c->told && take_close(c, at)) {
			if (!c->told)
				return;
			at = common(c);
		}
		c->own = at < c->got.len;
		c->matched = c->own ? boundary(c, at, &finals) : at;
	}
	if (c->own && !after_odd(c))
		judge_own(c);
	else if (c->own)
		return; /* nobody knows where it begins */
	else
		judge_banned(c);
}

/* --- how it ends ------------------------------------------------------------------------------ */

/* `clean`: the end itself says that nothing is missing, as far as it can say so. */
void oracle_client_ends(struct client *c, bool clean)
{
	const struct sock *app = c->used ? c->used->s : NULL;
	const struct item *it = item_at(c, c->matched);
	unsigned finals;
	bool app_over = app && (app->in_fin || app->state == TCP_DEAD);
	bool all = app && c->matched == stream_len(c) && app->in_fin;

	if (c->own && after_odd(c))
		return;
	if (c->own) {
		if (!own_is(c, REPLY_NONE, true) && !own_is(c, REPLY_HEAD, true) &&
		    !own_is(c, REPLY_TEXT, true))
			world_fail("client %u: the end within an answer of kedge", c->id);
		return;
	}
	if (c->tls && !clean && (c->tcp || !it || it->tunnel || it->to_end))
		return; /* without a close_notify, it is known that bytes are missing */
	if (c->tcp || (it && it->tunnel)) {
		if (c->got.len && !all && !(it && c->matched == it->begin))
			world_fail("client %u: an end within a tunnel", c->id);
		return;
	}
	if (!c->got.len || !it || after_odd(c) || boundary(c, c->matched, &finals) == c->matched)
		return;
	if (it->to_end && !all)
		world_fail("client %u takes a part of a response for the whole of it", c->id);
	if (!it->to_end && (clean && c->tls))
		world_fail("client %u: a close_notify within a response", c->id);
	if (!app_over)
		world_fail("client %u: an end within a response that goes on: %zu, from %zu to %zu",
			   c->id, c->matched, it->begin, it->end);
}

/* A response that kedge has read goes on to a client that reads, whatever happens behind it. */
static void judge_lost(struct client *c)
{
	struct served *l = c->used;

	for (unsigned i = 0; i < c->items; i++) {
		const struct item *it = &c->item[i];

		if (it->odd || it->banned || it->end > stream_read(c))
			return;
		if (it->end > c->matched && it->final)
			world_fail(
				"client %u lacks a response that kedge has read: %zu of %zu to %zu",
				c->id, c->matched, it->begin, it->end);
		if (it->closes || it->early)
			return;
	}
	if ((l->s->in_fin || l->s->state == TCP_DEAD) && l->s->in_taken < l->s->in.len &&
	    !l->was_pooled && !c->reason && !l->client->shut)
		world_fail("client %u: kedge has left %zu bytes of a response unread", c->id,
			   l->s->in.len - l->s->in_taken);
}

/* Nobody did anything wrong, so everything has arrived. */
static void judge_whole(struct client *c)
{
	const struct script *s = &c->script;

	cover_count(COVER_WHOLE);
	const size_t gone = c->used->want_begin + c->used->s->out.len;

	if (gone != s->want.len)
		world_fail("client %u: the application lacks bytes: %zu of %zu", c->id, gone,
			   s->want.len);
	if (c->got.len != stream_len(c))
		world_fail("client %u lacks bytes: %zu of %zu", c->id, c->got.len, stream_len(c));
}

void oracle_client_over(struct client *c)
{
	bool closes = false;

	if (!c->accepted)
		return;
	if (!c->ended)
		world_fail("client %u: its connection has not ended", c->id);
	if (c->tls && c->s->fin_arrived && c->s->state == TCP_OPEN &&
	    c->s->out_taken == c->s->out.len)
		oracle_client_ends(c, c->notified);
	if (!c->used || !stream_read(c) || c->unknown)
		return;
	for (unsigned i = 0; i < c->items; i++)
		closes |= c->item[i].closes;
	if (c->plain && !c->tls &&
	    (!c->counted || c->reason == KEDGE_REASON_app_gone ||
	     c->reason == KEDGE_REASON_app_reset))
		judge_lost(c);
	if (c->plain && c->used->plain && sim_mood.plain && !closes && !c->counted && c->over &&
	    !c->script.odd && !c->drained)
		judge_whole(c);
}
