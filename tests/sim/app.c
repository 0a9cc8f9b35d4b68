/* SPDX-License-Identifier: BSD-2-Clause */
/* The application's end of each leg. See people.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cover.h"
#include "oracle.h"
#include "people.h"
#include "sim_conf.h"

/* --- what it will do -------------------------------------------------------------------------- */

static void plan_connect(struct leg *l)
{
	static const int errors[] = {ECONNREFUSED, ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH,
				     ENETUNREACH};

	l->wake_ms = world_ms();
	if (sim_mood.down)
		l->connect_err = ECONNREFUSED;
	else if (!l->plain && dice_rare(12))
		l->connect_err = errors[dice(5)];
	if (!l->plain && dice_rare(8))
		l->wake_ms += dice(dice_rare(3) ? 60000 : 300);
	if (!l->plain && !l->client->script.theme && dice_rare(24)) /* connected to itself */
		l->s->self = true;
}

static void plan_faults(struct leg *l)
{
	l->slow = dice_rare(8);
	l->never_reads = dice_rare(16);
	if (dice_rare(3)) {
		l->leaves_after = dice(4);
		l->leaves = (enum end_how)dice(4);
	}
	if (dice_rare(2))
		l->odd_at = dice(3);
}

/* What the theme of its client needs; the faults of others would only disturb it. */
static void plan_theme(struct leg *l)
{
	const enum script_theme theme = l->client->script.theme;

	l->slow = l->never_reads = false;
	l->leaves_after = l->odd_at = UINT32_MAX;
	l->drags = dice(4);
	if (theme == THEME_STOPS || theme == THEME_LONG)
		l->hasty = dice(4);
	if (theme == THEME_LOST)
		l->odd_at = dice(2);
	if (theme == THEME_PIPELINE)
		l->drags = false;
}

struct leg *leg_new(struct sock *s, struct client *c)
{
	struct leg *l = calloc(1, sizeof(*l));

	if (!l || people.legs == LEGS_MAX)
		world_fail("no room for another leg");
	people.leg[people.legs++] = l;
	l->item = calloc(LEG_ITEMS, sizeof(*l->item));
	l->s = s;
	l->client = c;
	l->plain = c->plain && !sim_mood.down;
	l->leaves_after = l->odd_at = UINT32_MAX;
	if (!l->plain)
		plan_faults(l);
	if (!l->plain && c->script.theme)
		plan_theme(l);
	plan_connect(l);
	s->owner = l;
	if (c->leg && (c->leg->s->out.len || c->got.len))
		world_fail("client %u gets another leg after bytes went over the first one", c->id);
	c->leg = l;
	c->legs++;
	return l;
}

/* --- what it does ----------------------------------------------------------------------------- */

static void connects(struct leg *l)
{
	struct sock *s = l->s;

	if (s->self) {
		s->near = s->far;
		cover_count(COVER_SELF);
	}
	connect_over(s, l->connect_err);
	if (l->connect_err)
		l->over = true;
}

static void sleeps(struct leg *l)
{
	uint64_t now = world_ms();

	if (l->slow)
		l->wake_ms = now + dice(3000);
	else if (l->drags && dice_rare(2))
		l->wake_ms = now + dice(dice_rare(2) ? 12000 : 1500);
	else if (!l->plain && dice_rare(16))
		l->wake_ms = now + dice(dice_rare(4) ? 40000 : 200);
	else if (dice_rare(32))
		l->wake_ms = now + dice(20);
}

static bool leaves(struct leg *l, enum end_how how)
{
	world_log("application ends", l->s->id, how, l->answered);
	if (how == END_SHUT)
		far_shut(l->s);
	else if (how != END_STAY)
		far_close(l->s, how == END_RESET);
	l->over = how != END_SHUT;
	l->leaves_after = UINT32_MAX;
	return true;
}

static bool sends(struct leg *l)
{
	size_t left = l->todo.len - l->todo_at, n = left;

	if (!left) {
		if (!l->shut_behind)
			return false;
		l->shut_behind = false;
		return leaves(l, dice_rare(4) ? END_SHUT : END_CLOSE);
	}
	if (l->drags ? dice(4) : dice_rare(3))
		n = 1 + dice((uint32_t)(dice_rare(2) && left > 60 ? 60 : left));
	n = far_send(l->s, l->todo.data + l->todo_at, n);
	l->todo_at += n;
	return n;
}

static bool reads(struct leg *l)
{
	size_t n = far_waiting(l->s);

	if (!n || l->never_reads)
		return false;
	if (l->slow || dice_rare(8))
		n = 1 + dice((uint32_t)n);
	far_take(l->s, n);
	world_log("application reads", l->s->id, n, l->s->out_taken);
	return true;
}

/* How many requests are whole for it; the next one's head may be there. */
static bool next_is_here(const struct leg *l, bool whole)
{
	const struct script *s = &l->client->script;
	const struct script_request *q = &s->request[l->answered];

	if (l->answered >= s->requests || l->answered >= SCRIPT_REQUESTS)
		return false;
	return whole ? q->say_end && q->end <= l->s->out_taken : q->head_end <= l->s->out_taken;
}

static bool answers(struct leg *l)
{
	bool whole = next_is_here(l, true), head = whole || next_is_here(l, false);

	if (l->shut_behind || (l->items && l->item[l->items - 1].end == SIZE_MAX))
		return false;
	if (l->answered >= l->leaves_after)
		return leaves(l, l->leaves);
	if (l->client->tcp || !head)
		return false;
	/* A 100 for a body that waits, or an answer before the body. */
	if (!whole && l->continued <= l->answered && (l->plain || !dice_rare(3))) {
		l->continued = l->answered + 1;
		if (l->client->script.expects)
			leg_continue(l);
		return true;
	}
	if (!whole &&
	    !(l->continued > l->answered && !l->plain && (l->hasty ? dice(4) : dice_rare(20))))
		return false;
	leg_answer(l);
	return true;
}

/* In a tunnel it says something now and then. */
static bool talks(struct leg *l)
{
	static const char text[] = "tunnel, tunnel, tunnel, tunnel, tunnel, tunnel, tunnel.\n";
	bool tunnel = l->client->tcp || (l->items && l->item[l->items - 1].tunnel);

	if (!tunnel || l->s->in.len > 20000 || !dice_rare(3))
		return false;
	http1_bytes_add(&l->todo, text, 1 + dice(sizeof(text) - 1));
	return true;
}

bool leg_act(struct leg *l)
{
	struct sock *s = l->s;
	bool did;

	if (l->over || l->wake_ms > world_ms())
		return false;
	if (s->state == TCP_CONNECTING) {
		connects(l);
		return true;
	}
	if (s->peer_reset || s->state == TCP_DEAD) {
		l->over = true;
		return true;
	}
	if (s->self) /* what it sends comes back */
		return false;
	did = dice_rare(2) ? reads(l) || sends(l) : sends(l) || reads(l);
	did = did || answers(l) || talks(l);
	if (!did && far_sees_end(s) && !next_is_here(l, true))
		did = leaves(l, END_CLOSE);
	if (did)
		sleeps(l);
	return did;
}
