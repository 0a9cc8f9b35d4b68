/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the legs of a client are among its requests, and where the next one goes on. */
#include "oracle_leg.h"

#include <string.h>

#include "oracle.h"

/* --- where a leg is --------------------------------------------------------------------------- */

size_t leg_start_of(const struct client *c, unsigned k)
{
	const struct script *s = &c->script;

	if (!k)
		return 0;
	return k <= s->requests && s->request[k - 1].say_end ? s->request[k - 1].end : SIZE_MAX;
}

size_t leg_say_start_of(const struct client *c, unsigned k)
{
	return k && k <= c->script.requests ? c->script.request[k - 1].say_end : 0;
}

bool leg_line_before(const struct client *c, unsigned k)
{
	size_t at = leg_say_start_of(c, k);

	return at && at < c->script.say.len && c->script.say.data[at] == '\r';
}

struct came leg_came_on(const struct served *l)
{
	const struct client *c = l->client;
	struct came r = {.end = l->begin};
	bool surplus = false;

	for (unsigned i = 0; l == c->used && i < c->items; i++) {
		const struct item *it = &c->item[i];

		if (it->begin < l->begin || it->begin >= stream_read(c))
			continue;
		r.tunnel |= it->tunnel;
		/* Behind the head of an answer to HEAD, it may be bytes that nobody asked for. */
		r.lost |= it->odd && !it->surplus && !surplus && !it->head;
		r.odd |= it->odd || it->early;
		r.early |= it->early;
		surplus |= it->surplus;
		if (it->banned || it->end > stream_read(c))
			continue;
		r.closes |= it->closes;
		r.doubtful |= it->doubtful;
		r.hasty |= it->hasty;
		r.premature |= it->premature;
		r.crossed |= it->crossed;
		r.finals += it->final;
		if (it->final)
			r.end = it->end;
	}
	return r;
}

bool leg_is_idle(const struct served *l)
{
	const struct client *c = l->client;
	const struct came r = leg_came_on(l);

	if (!l->used || l != c->leg || c->unknown || c->tcp || !r.finals || r.closes || r.odd ||
	    r.tunnel || c->script.request[l->first + r.finals - 1].last)
		return false;
	return stream_read(c) == r.end &&
	       l->want_begin + l->given == leg_start_of(c, l->first + r.finals);
}

/* --- the next one ----------------------------------------------------------------------------- */

/* What the old leg has brought, and the client is not to get, is no part of its stream. */
static void cut(struct client *c, struct served *l, size_t at)
{
	l->cut = at;
	while (c->items && c->item[c->items - 1].end > at)
		c->items--;
}

/* Nobody knows how many requests kedge takes for answered: one of them begins like these bytes. */
static unsigned guess_first(const struct client *c, const struct served *before, const uint8_t *p,
			    size_t n)
{
	const struct script *s = &c->script;

	for (unsigned k = before->first; k <= s->requests && leg_start_of(c, k) != SIZE_MAX; k++) {
		size_t at = leg_start_of(c, k);

		if (n <= s->want.len - at && !memcmp(s->want.data + at, p, n))
			return k;
	}
	world_fail("client %u: a leg begins with what is no request: '%s'", c->id,
		   world_show(&c->leg->s->out, 0));
}

static void judge_place(const struct client *c, const struct served *l, const struct served *before)
{
	size_t sent_to = before->want_begin + before->given;

	if (l->want_begin == SIZE_MAX || l->want_begin > sent_to)
		world_fail("client %u: a leg follows one that was within a request", c->id);
	if (l->want_begin == sent_to)
		return;
	if (!before->again)
		world_fail("client %u: bytes are sent again, and nothing was said of it", c->id);
	/* What a fresh one has lost goes to another one, once. */
	if (before->first == l->first && (before->repeats || !(c->elsewhere || before->lent)))
		world_fail("client %u: request %u is sent more than twice", c->id, l->first);
}

bool oracle_leg_guesses(struct served *l)
{
	const struct client *c = l->client;

	if (!c->unknown || !l->before)
		return false;
	l->first = guess_first(c, l->before, l->s->out.data, l->s->out.len);
	l->answered = l->first;
	l->want_begin = leg_start_of(c, l->first);
	return true;
}

/* One that has served others. */
static void judge_lent(const struct client *c, const struct served *l)
{
	uint64_t idle_us = (world_ms() - l->idle_ms) * 1000; /* or up to 1 ms less */

	if (!l->lent || c->unknown)
		return;
	if (l->repeats)
		world_fail("client %u: a request that was lost goes on a leg of others", c->id);
	if (idle_us >= YOUNG_US + 1000 && l->first < c->script.requests &&
	    !c->script.request[l->first].repeats)
		world_fail(
			"client %u: request %u may not be repeated, goes on an old leg of others",
			c->id, l->first);
}

static void follow(struct client *c, struct served *before, struct served *l, size_t n)
{
	struct came r;

	if (c->tcp || !c->reuse)
		world_fail("client %u gets another leg after bytes went over the first one", c->id);
	if (!before->s->closed && !before->pooled)
		world_fail("client %u has two legs", c->id);
	r = leg_came_on(before);
	l->before = before;
	l->first =
		c->unknown ? guess_first(c, before, l->s->out.data, n) : before->first + r.finals;
	l->answered = l->first;
	l->want_begin = leg_start_of(c, l->first);
	l->repeats = before->again;
	if (!c->unknown)
		judge_place(c, l, before);
	l->begin = r.end;
	cut(c, before, r.end);
}

void oracle_leg_begins(struct served *l, size_t n)
{
	struct client *c = l->client;

	l->used = true;
	if (c->used)
		follow(c, c->used, l, n);
	c->used = l;
	judge_lent(c, l);
}

/* One that was idle for a while is not used as if it were fresh. */
void oracle_leg_goes_on(struct served *l)
{
	const struct client *c = l->client;
	const struct came r = leg_came_on(l);
	uint64_t idle_us = (world_ms() - l->moved_ms) * 1000; /* or up to 1 ms less */
	unsigned k = l->first + r.finals;

	/* Behind bytes that the leg took just now, kedge may have read it before. */
	l->taken_between = l->sent_us == world.now_us ? SIZE_MAX : stream_read(c);
	if (!c->reuse || !leg_is_idle(l) || k >= c->script.requests || leg_line_before(c, k))
		return;
	if (idle_us >= YOUNG_US + 1000 && !c->script.request[k].repeats)
		world_fail("client %u: request %u may not be repeated, and goes on an old leg",
			   c->id, k);
	if (idle_us >= LOOKED_AT_US && (leg_app_over(l) || l->s->in_taken < l->s->in.len))
		world_fail("client %u: request %u goes on a leg whose end has come", c->id, k);
}
