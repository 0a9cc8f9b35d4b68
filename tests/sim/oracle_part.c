/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a client's leg may be given up, and what may be sent twice. kedge's counters say why it gave
 * a leg up; the world says whether that is true.
 */
#include <string.h>

#include "conn/conn.h"
#include "cover.h"
#include "oracle.h"
#include "oracle_leg.h"
#include "sim_conf.h"

#define KEPT_MAX      16384
#define SEEN_LEAST_MS 500

static struct {
	uint64_t counted[PARTINGS]; /* as kedge has counted them so far */
	uint64_t joined;
	uint64_t closes_after_ms; /* an application has closed one that was idle for so long */
} legs;

void oracle_legs_begin(void)
{
	memset(&legs, 0, sizeof(legs));
	legs.closes_after_ms = UINT64_MAX;
	oracle_pool_begin();
}

static bool client_over(const struct client *c)
{
	return c->shut || c->s->in_fin || c->s->state == TCP_DEAD || c->over;
}

/* --- a leg is given up ------------------------------------------------------------------------ */

static const char *const names[] = {"idle",  "closed", "doubted", "old",
				    "again", "wanted", "shared",  "unknown"};

static void count(uint64_t now[PARTINGS])
{
	const struct kedge_stats *s = sim_worker.stats;

	now[PARTS_IDLE] = s->legs_idle;
	now[PARTS_CLOSED] = s->legs_closed;
	now[PARTS_DOUBTED] = s->legs_doubted;
	now[PARTS_OLD] = s->legs_old;
	now[PARTS_AGAIN] = s->requests_again;
	now[PARTS_WANTED] = s->legs_wanted;
}

enum parting leg_counted(unsigned *n)
{
	enum parting one = PARTS_UNKNOWN;
	uint64_t now[PARTINGS];

	*n = 0;
	count(now);
	for (unsigned i = 0; i < PARTINGS; i++) {
		*n += (unsigned)(now[i] - legs.counted[i]);
		if (now[i] != legs.counted[i])
			one = (enum parting)i;
	}
	memcpy(legs.counted, now, sizeof(now));
	return one;
}

/*
 * kedge has counted one of them, once; or none, if others may have the leg. Unknown: it had no
 * memory for what was to follow another count.
 */
static enum parting why(const struct client *c)
{
	unsigned n;
	enum parting one = leg_counted(&n);

	if (!n && c->shares)
		return PARTS_SHARED;
	if (!n || (n > 1 && !world.memory_faults))
		world_fail("client %u: a leg is given up for %u causes", c->id, n);
	return n == 1 ? one : PARTS_UNKNOWN;
}

#define NEEDS(what)                                                                              \
	do {                                                                                     \
		if (!(what))                                                                     \
			world_fail("client %u: its leg is given up (%s), and not " #what, c->id, \
				   names[how]);                                                  \
	} while (0)

void leg_learn(uint64_t idle_ms)
{
	if (idle_ms >= SEEN_LEAST_MS && idle_ms < legs.closes_after_ms)
		legs.closes_after_ms = idle_ms;
}

uint64_t leg_idle_least_ms(const struct client *c)
{
	uint64_t seen = legs.closes_after_ms / 5 * 4;

	return seen < c->app_idle_ms ? seen : c->app_idle_ms;
}

/* The part of a request that went over this leg may go over another one. */
static bool may_repeat(const struct client *c, const struct served *l, unsigned k)
{
	const struct script_request *q = &c->script.request[k];
	size_t sent_to = l->want_begin + l->given, start = leg_start_of(c, k);

	if (k >= c->script.requests || sent_to < q->head_end)
		return true; /* the application cannot have the head */
	if (q->repeats && q->say_end && client_read(c) >= q->say_end && sent_to <= q->end)
		return true;
	/* What it reads behind its own end, it cannot answer. */
	if (l->s->taken_at_fin > start - l->want_begin && l->s->out_taken > start - l->want_begin)
		return false;
	cover_count(COVER_UNREAD);
	return true;
}

static void parts_again(struct client *c, struct served *l, const struct came *r)
{
	const enum parting how = PARTS_AGAIN;
	unsigned k = l->first + r->finals;

	NEEDS(leg_app_over(l));
	/* A fresh one is not to blame, unless there is somebody else to ask. */
	NEEDS(r->finals || l->lent || (c->elsewhere && c->twice != k + 1));
	c->twice = k + 1;
	NEEDS(stream_read(c) == r->end);
	NEEDS(!client_read_is_exact(c) || client_read(c) - leg_say_start_of(c, k) <= KEPT_MAX);
	if (!may_repeat(c, l, k))
		world_fail("client %u: request %u is sent again, and may not be", c->id, k);
	l->again = true;
}

/* Is the method of request k, which kedge begins to read, one that may be repeated? */
static bool next_repeats(const struct client *c, unsigned k)
{
	const struct script_request *q = &c->script.request[k];

	return k < c->script.requests && q->repeats && client_read_is_exact(c) &&
	       client_read(c) > leg_say_start_of(c, k) + strlen("\r\nOPTIONS ");
}

static void parts_between(struct client *c, struct served *l, const struct came *r,
			  enum parting how)
{
	NEEDS(l->want_begin + l->given == leg_start_of(c, l->first + r->finals));
	switch (how) {
	case PARTS_IDLE:
		NEEDS(world_ms() - l->moved_ms >= leg_idle_least_ms(c));
		break;
	case PARTS_CLOSED:
		leg_learn(world_ms() - l->served_us / 1000);
		NEEDS(leg_app_over(l) || l->begin + l->s->in.len > r->end);
		break;
	case PARTS_OLD:
		NEEDS((r->finals || l->lent) && world.now_us - l->served_us >= YOUNG_US);
		NEEDS(!next_repeats(c, l->first + r->finals));
		break;
	case PARTS_DOUBTED:
		NEEDS(r->doubtful || r->hasty || r->crossed);
		break;
	case PARTS_WANTED:
		NEEDS(c->reuse && sim_servers_wanted());
		break;
	case PARTS_SHARED:
		NEEDS(r->finals);
		break;
	case PARTS_AGAIN:
	case PARTS_UNKNOWN:
		break;
	}
}

void oracle_parts(struct client *c, const struct conn *conn)
{
	enum parting how = why(c);
	struct served *l = sock_of(conn->flow.leg->fd)->owner;
	struct came r = leg_came_on(l);

	world_log("leg is given up", l->s->id, how, r.finals);
	if (how == PARTS_UNKNOWN) {
		l->again = true;
		return;
	}
	cover_count((enum cover_what)(COVER_LEGS_IDLE + how));
	NEEDS(c->reuse && !c->tcp);
	NEEDS(l == c->leg && l->client == c);
	if (c->unknown)
		return;
	NEEDS(!r.closes);
	NEEDS(!r.tunnel);
	NEEDS(!r.lost);
	c->unknown = r.odd;
	if (c->unknown)
		return;
	if (!l->used && how == PARTS_IDLE) /* an empty line is nothing */
		NEEDS(world_ms() - l->made_ms >= leg_idle_least_ms(c));
	else if (!l->used && how == PARTS_OLD)
		NEEDS(l->lent && world.now_us - l->served_us >= YOUNG_US);
	else if (!l->used)
		NEEDS(leg_app_over(l));
	else if (how == PARTS_AGAIN)
		parts_again(c, l, &r);
	else
		parts_between(c, l, &r, how);
}

/* --- a client must not notice ----------------------------------------------------------------- */

void oracle_moves_to(const struct client *c, unsigned to)
{
	if (c->state != CONN_MOVE || to == CONN_IDLE || !c->reuse || sim_mood.draining ||
	    sim_mood.closing || client_over(c) || world.memory_faults || !c->leg)
		return;
	/* What it has read of a request may be lost with the leg. */
	if (!client_read_is_exact(c) ||
	    client_read(c) > leg_say_start_of(c, c->leg->first + leg_came_on(c->leg).finals))
		return;
	if (leg_is_idle(c->leg) &&
	    !(c->counted && c->reason != KEDGE_REASON_app_gone &&
	      c->reason != KEDGE_REASON_app_reset && c->reason != KEDGE_REASON_app_unasked &&
	      c->reason != KEDGE_REASON_app_response_lost))
		world_fail("client %u: its connection ends because its idle leg has", c->id);
}

/* It is told that the application has gone. Could the request have been sent again? */
void oracle_app_gone(const struct client *c)
{
	const struct served *l = c->leg;
	const struct came r = leg_came_on(l);
	unsigned k = l->first + r.finals;
	const struct script_request *q = &c->script.request[k];

	if (!c->reuse || !l->used || c->unknown || client_over(c) || world.memory_faults ||
	    !(r.finals || l->lent || (c->elsewhere && c->twice != k + 1)) || r.odd || r.closes ||
	    stream_read(c) != r.end || !leg_app_over(l) || !client_read_is_exact(c) ||
	    k >= c->script.requests)
		return;
	if (leg_line_before(c, k))
		return;
	/* Behind what its client has called the last one, a request is not kept. */
	if (k && c->script.request[k - 1].last)
		return;
	/* Of a body, kedge does not know whether it was whole when the leg took no more. */
	if (l->want_begin + l->given >= q->head_end && l->want_begin + l->given < q->end)
		return;
	if (l->taken_between == r.end && q->repeats && !q->upgrade &&
	    client_read(c) == q->say_end && client_read(c) - leg_say_start_of(c, k) <= KEPT_MAX)
		world_fail("client %u: 502, and request %u could be sent again", c->id, k);
}

/* --- after each turn -------------------------------------------------------------------------- */

static void judge_leg_time(const struct client *c, const struct conn *conn)
{
	uint64_t since = c->leg->moved_ms > c->moved_ms ? c->leg->moved_ms : c->moved_ms;
	uint64_t now = sim_worker.loop.now_ms; /* kedge may not have been told of more */

	if (sim_mood.draining)
		return; /* it ends soon */
	if (conn->state == CONN_IDLE && conn->flow.leg &&
	    now > c->leg->made_ms + c->app_idle_ms + TIMER_LATE_MS &&
	    now > c->state_ms + TIMER_LATE_MS)
		world_fail("client %u: its early leg is idle for too long", c->id);
	if (conn->state != CONN_MOVE || !c->reuse || client_over(c) || !leg_is_idle(c->leg) ||
	    leg_line_before(c, c->leg->first + leg_came_on(c->leg).finals) ||
	    c->s->in_taken < c->s->in.len || conn->flow.client_full || conn->again.queued)
		return;
	if (leg_came_on(c->leg).doubtful)
		world_fail("client %u: its leg is idle, and in doubt", c->id);
	if (now > since + c->app_idle_ms + TIMER_LATE_MS)
		world_fail("client %u: its leg is idle for too long", c->id);
}

/* kedge has read no more than it has answered, or keeps it. */
static void judge_kept(const struct client *c, const struct conn *conn)
{
	struct came r;
	size_t least;

	if (conn->state != CONN_IDLE || conn->flow.up.data || c->unknown ||
	    !client_read_is_exact(c) || client_over(c))
		return;
	r = c->used ? leg_came_on(c->used) : (struct came){0};
	least = leg_say_start_of(c, c->used ? c->used->first + r.finals : 0);
	if (client_read(c) > least + strlen("\r\n"))
		world_fail("client %u: bytes of its request are lost, from %zu to %zu", c->id,
			   least, client_read(c));
}

void oracle_legs_turn(void)
{
	struct conn *conn;
	unsigned n = 0;

	LIST_FOREACH(conn, &sim_worker.conns, link) {
		const struct client *c = sock_of(conn->client_fd)->owner;
		const struct leg *leg = conn->flow.leg;

		judge_kept(c, conn);
		if (!leg || leg->fd < 0)
			continue;
		if (!sock_of(leg->fd) || sock_of(leg->fd)->owner != c->leg)
			world_fail("client %u has a leg that is not its own", c->id);
		judge_leg_time(c, conn);
		n++;
	}
	n += oracle_pool_turn();
	for (unsigned i = 0; i < WORLD_FDS; i++)
		n -= world.by_fd[i] && world.by_fd[i]->kind == SOCK_APP;
	if (n)
		world_fail("a leg is open that no client has");
}

/* --- what it counted -------------------------------------------------------------------------- */

void oracle_joins(void)
{
	legs.joined++;
}

/* Requests whose heads were sent, each time that they were. */
static uint64_t heads_sent(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < people.legs; i++) {
		const struct served *l = people.leg[i];
		const struct script *s = &l->client->script;

		for (unsigned k = l->first; l->used && s->request && k < s->requests &&
					    s->request[k].head_end <= l->want_begin + l->given;
		     k++)
			n++;
	}
	return n;
}

void oracle_legs_over(void)
{
	const struct kedge_stats *s = sim_worker.stats;
	uint64_t now[PARTINGS];

	count(now);
	for (unsigned i = 0; i < PARTINGS; i++)
		if (now[i] != legs.counted[i] && !world.memory_faults)
			world_fail("legs are counted (%s) that were not given up", names[i]);
	oracle_pool_over();
	if (s->flows != legs.joined)
		world_fail("flows: %llu are counted, %llu were joined",
			   (unsigned long long)s->flows, (unsigned long long)legs.joined);
	if (s->requests_user < heads_sent())
		world_fail("requests: %llu are counted, %llu were sent",
			   (unsigned long long)s->requests_user, (unsigned long long)heads_sent());
}
