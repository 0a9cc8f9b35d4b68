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

static void plan_connect(struct served *l)
{
	static const int errors[] = {ECONNREFUSED, ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH,
				     ENETUNREACH};

	l->wake_ms = world_ms();
	if (sim_mood.down)
		l->connect_err = ECONNREFUSED;
	else if (!l->plain && dice_rare(l->client->script.theme == THEME_KEPT ? 60 : 12))
		l->connect_err = errors[dice(5)];
	if (!l->plain && dice_rare(8))
		l->wake_ms += dice(dice_rare(3) ? 60000 : 300);
	if (!l->plain && !l->client->script.theme && dice_rare(24)) /* connected to itself */
		l->s->self = true;
}

static enum hang_up any_hang_up(void)
{
	return dice_rare(3) ? HANGS_CROSSED : (enum hang_up)dice(HANGS);
}

static void plan_faults(struct served *l)
{
	l->slow = dice_rare(8);
	l->never_reads = dice_rare(16);
	if (dice_rare(3)) {
		l->leaves_after = dice(4);
		l->leaves = (enum end_how)dice(4);
	}
	if (dice_rare(2))
		l->odd_at = dice(3);
	if (dice_rare(3))
		l->hangs_up = any_hang_up();
}

/* What the theme of its client needs; the faults of others would only disturb it. */
static void plan_theme(struct served *l)
{
	const enum script_theme theme = l->client->script.theme;

	l->slow = l->never_reads = false;
	l->leaves_after = l->odd_at = UINT32_MAX;
	l->drags = dice(4);
	if (theme == THEME_STOPS || theme == THEME_LONG)
		l->hasty = dice(4);
	if ((theme == THEME_STOPS || theme == THEME_LONG) && dice(4)) {
		l->breaks = true;
		l->s->far_room = l->s->out_room = 1024; /* so that kedge has to wait */
	}
	if (theme == THEME_LOST)
		l->odd_at = dice(2);
	if (theme == THEME_PIPELINE)
		l->drags = false;
	if (theme == THEME_KEPT) {
		l->drags = false;
		l->hangs_up = any_hang_up();
		l->odd_at = dice_rare(12) ? dice(4) : UINT32_MAX;
	}
}

static struct served *add(struct sock *s, struct client *c)
{
	struct served *l = calloc(1, sizeof(*l));

	if (!l || people.legs == LEGS_MAX)
		world_fail("no room for another leg");
	people.leg[people.legs++] = l;
	if (!c->item)
		c->item = calloc(ITEMS_MAX, sizeof(*c->item));
	l->cut = SIZE_MAX;
	l->made_ms = world_ms();
	if (c->tcp) { /* it may speak first */
		l->used = true;
		c->used = l;
	}
	l->s = s;
	l->client = c;
	l->plain = c->plain && !sim_mood.down;
	l->leaves_after = l->odd_at = UINT32_MAX;
	if (!l->plain)
		plan_faults(l);
	if (!l->plain && c->script.theme)
		plan_theme(l);
	s->owner = l;
	if (c->leg && !c->leg->s->closed && !c->leg->pooled)
		world_fail("client %u gets a leg, and has one", c->id);
	c->leg = l;
	return l;
}

struct served *served_new(struct sock *s, struct client *c)
{
	struct served *l = add(s, c);

	plan_connect(l);
	return l;
}

struct served *served_lent(struct sock *s, struct client *c, struct served *before)
{
	struct served *l;

	before->s = sock_divide(s);
	before->pooled = false;
	before->over = true;
	l = add(s, c);
	l->lent = true;
	l->idle_ms = before->moved_ms ? before->moved_ms : before->idle_ms;
	l->served_us = before->served_us;
	l->wake_ms = world_ms();
	return l;
}

/* --- what it does ----------------------------------------------------------------------------- */

static void connects(struct served *l)
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

static void sleeps(struct served *l)
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

static bool leaves(struct served *l, enum end_how how)
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

/* Nothing can follow the last response. */
static bool within_endless(const struct served *l)
{
	const struct item *it = served_last(l);

	return it && it->end == SIZE_MAX;
}

/*
 * It has kept back the last byte of an endless response. kedge has read the others, and waits to
 * send: the error of the reset goes to a send. The client must not take what it got for all.
 */
static bool breaks(struct served *l)
{
	if (l->s->in_taken < l->s->in.len || sock_writable(l->s))
		return false;
	cover_count(COVER_BREAKS);
	return leaves(l, END_RESET);
}

static bool sends(struct served *l)
{
	size_t left = l->todo.len - l->todo_at, n = left;
	bool keeps = l->breaks && within_endless(l);

	if (keeps && left == 1)
		return breaks(l);
	if (!left) {
		if (!l->shut_behind)
			return false;
		l->shut_behind = false;
		return leaves(l, dice_rare(4) ? END_SHUT : END_CLOSE);
	}
	if (l->drags ? dice(4) : dice_rare(3))
		n = 1 + dice((uint32_t)(dice_rare(2) && left > 60 ? 60 : left));
	if (keeps && n == left)
		n--;
	n = far_send(l->s, l->todo.data + l->todo_at, n);
	l->todo_at += n;
	return n;
}

/* How many requests are whole for it; the next one's head may be there. */
static bool next_is_here(const struct served *l, bool whole)
{
	const struct script *s = &l->client->script;
	const struct script_request *q = &s->request[l->answered];
	size_t taken = l->want_begin + l->s->out_taken;

	if (l->answered >= s->requests || l->answered >= SCRIPT_REQUESTS)
		return false;
	return whole ? q->say_end && q->end <= taken : q->head_end <= taken;
}

/* It answers the next request before it has read all of it, and reads no more. */
static bool has_read_enough(const struct served *l)
{
	return l->breaks &&
	       (within_endless(l) || (next_is_here(l, false) && !next_is_here(l, true)));
}

static bool reads(struct served *l)
{
	size_t n = far_waiting(l->s);

	if (!n || l->never_reads || has_read_enough(l))
		return false;
	if (l->slow || dice_rare(8))
		n = 1 + dice((uint32_t)n);
	far_take(l->s, n);
	world_log("application reads", l->s->id, n, l->s->out_taken);
	return true;
}

static bool answers(struct served *l)
{
	bool whole = next_is_here(l, true), head = whole || next_is_here(l, false);

	if (l->shut_behind || l->s->closed || l->s->in_fin || within_endless(l))
		return false;
	if (l->answered - l->first >= l->leaves_after)
		return leaves(l, l->leaves);
	if (l->client->tcp || !head)
		return false;
	/* A 100 for a body that waits, or an answer before the body. */
	if (!whole && l->continued <= l->answered && (l->plain || !dice_rare(3))) {
		l->continued = l->answered + 1;
		if (l->client->script.expects)
			served_continue(l);
		return true;
	}
	if (!whole &&
	    !(l->continued > l->answered && !l->plain && (l->hasty ? dice(4) : dice_rare(20))))
		return false;
	served_answer(l);
	return true;
}

/* Is it idle, or was it until the bytes that it has now? */
static bool may_hang_up(const struct served *l)
{
	return l->hangs_up && l->used && (l->answered > l->first || l->lent) &&
	       l->todo_at == l->todo.len && !l->shut_behind && !l->s->in_fin && !within_endless(l);
}

static uint64_t somebody_wakes_ms(const struct served *l)
{
	return l->pooled ? people.client[dice(people.clients)]->wake_ms : l->client->wake_ms;
}

static bool hangs_up_idle(struct served *l, bool idle)
{
	static const uint32_t most[] = {1, 50, 300, 1500, 6000};

	if (!idle) {
		l->hang_up_ms = 0;
		return false;
	}
	/* Just when a client goes on, or at some other time. */
	if (!l->hang_up_ms && dice(2))
		l->hang_up_ms = somebody_wakes_ms(l);
	if (!l->hang_up_ms)
		l->hang_up_ms = world_ms() + dice(most[dice(5)]);
	return world_ms() >= l->hang_up_ms;
}

/* As some do that give it up then. */
static bool says_unasked(struct served *l)
{
	static const char text[] = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";

	l->hangs_up = HANGS_NEVER;
	http1_bytes_add(&l->todo, text, strlen(text));
	l->shut_behind = dice(2);
	return sends(l);
}

void served_crosses(struct served *l)
{
	if (l->plain || !l->hangs_up || l->over || l->s->in_fin || l->shut_behind)
		return;
	if (l->hangs_up == HANGS_SAYS)
		says_unasked(l);
	else
		leaves(l, dice(2) ? END_CLOSE : (enum end_how)dice(END_STAY));
}

/* It gives up a leg that it has served before, also when a request is on its way. */
static bool hangs_up(struct served *l)
{
	const struct sock *s = l->s;
	size_t answered;
	bool now = false;

	/* After its FIN it may read for a while, and then be gone. */
	if (l->hangs_up && s->in_fin && !s->closed && dice_rare(6)) {
		l->hangs_up = HANGS_NEVER;
		return leaves(l, dice(2) ? END_CLOSE : END_RESET);
	}
	if (!may_hang_up(l))
		return false;
	answered = l->answered == l->first
			   ? 0
			   : l->client->script.request[l->answered - 1].end - l->want_begin;
	switch (l->hangs_up) {
	case HANGS_IDLE:
		now = hangs_up_idle(l, l->given == answered);
		break;
	case HANGS_CROSSED:
		now = l->given > answered && s->out_arrived == answered;
		break;
	case HANGS_LINGERS:
		now = s->out_taken > answered;
		break;
	case HANGS_UNREAD:
		now = s->out_arrived > answered && s->out_taken == answered;
		break;
	case HANGS_HALF:
		now = s->out_taken > answered && !next_is_here(l, true);
		break;
	case HANGS_READ:
		now = next_is_here(l, true);
		break;
	case HANGS_SAYS:
		now = l->pooled && hangs_up_idle(l, true);
		break;
	case HANGS_NEVER:
	case HANGS:
		break;
	}
	if (!now)
		return false;
	cover_count((enum cover_what)(COVER_HANGS_IDLE + l->hangs_up - HANGS_IDLE));
	if (l->hangs_up == HANGS_SAYS)
		return says_unasked(l);
	if (l->hangs_up == HANGS_LINGERS) {
		far_shut(l->s);
		return leaves(l, END_RESET);
	}
	leaves(l, dice(2) ? END_CLOSE : (enum end_how)dice(END_STAY));
	if (dice(2)) /* they meet it at once */
		network_step(l->s, sock_pending(l->s));
	return true;
}

/* In a tunnel it says something now and then. */
static bool talks(struct served *l)
{
	static const char text[] = "tunnel, tunnel, tunnel, tunnel, tunnel, tunnel, tunnel.\n";
	const struct item *it = served_last(l);
	bool tunnel = l->client->tcp || (it && it->tunnel);

	if (!tunnel || l->s->in.len > 20000 || !dice_rare(3))
		return false;
	http1_bytes_add(&l->todo, text, 1 + dice(sizeof(text) - 1));
	return true;
}

bool served_act(struct served *l)
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
	did = hangs_up(l) || (dice_rare(2) ? reads(l) || sends(l) : sends(l) || reads(l));
	did = did || answers(l) || talks(l);
	if (!did && far_sees_end(s) && (!next_is_here(l, true) || s->closed || s->in_fin))
		did = leaves(l, END_CLOSE);
	if (did)
		sleeps(l);
	return did;
}
