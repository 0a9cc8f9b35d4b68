/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Legs that no client has (app-reuse: shared): what they must be like when they are given back,
 * while they are idle, and when another client gets one. See oracle.h.
 */
#include "app/leg_pool.h"
#include "conn/conn.h"
#include "conn/conn_choose.h"
#include "conn/conn_join.h"
#include "cover.h"
#include "oracle.h"
#include "oracle_leg.h"
#include "sim_conf.h"

/* An event comes in the next turn, or behind many others. */
#define STALE_TURNS_MAX 4

static struct {
	uint64_t lent;
	unsigned uncounted; /* were closed, and kedge had counted nothing */
	bool chooses;       /* kedge looks for a leg */
} pool;

void oracle_pool_begin(void)
{
	pool = (typeof(pool)){0};
}

#define NEEDS(what)                                                                   \
	do {                                                                          \
		if (!(what))                                                          \
			world_fail("#%u, of client %u: %s, and not " #what, l->s->id, \
				   l->client->id, doing);                             \
	} while (0)

/* Nobody may have any of its bytes, nor may any come. */
static bool is_stale(const struct served *l)
{
	return leg_app_over(l) || l->s->in_taken < l->s->in.len;
}

/* --- it is given back ------------------------------------------------------------------------- */

/* kedge may think otherwise where the application is not understood. */
static void judge_exchange(const struct served *l)
{
	static const char doing[] = "its leg is given back";
	const struct client *c = l->client;
	const struct came r = leg_came_on(l);

	NEEDS(!r.early);
	if (c->unknown || r.odd)
		return;
	NEEDS(!l->again);
	NEEDS(!r.closes);
	NEEDS(!r.tunnel);
	NEEDS(!r.doubtful);
	NEEDS(!r.premature);
	NEEDS(c->tls || !c->s->end_read);
	NEEDS(l->used ? leg_is_idle(l) : l->lent);
}

static void give_back(struct served *l, const struct conn *conn)
{
	static const char doing[] = "its leg is given back";

	NEEDS(l == l->client->leg && l->s->state != TCP_CONNECTING && !l->s->shut);
	NEEDS(l->client->shares);
	judge_exchange(l);
	l->pooled = l->was_pooled = true;
	l->pooled_ms = world_ms();
	l->generation = conn->service->generation->number;
	world_log("leg is given back", l->s->id, l->client->id, 0);
	cover_count(COVER_LEGS_POOLED);
}

void __real_leg_pool_put(struct legs *legs, struct leg *l, uint32_t most_ms);
void __wrap_leg_pool_put(struct legs *legs, struct leg *l, uint32_t most_ms);

void __wrap_leg_pool_put(struct legs *legs, struct leg *l, uint32_t most_ms)
{
	WORLD_RUNS();

	give_back(sock_of(l->fd)->owner, l->owner);
	__real_leg_pool_put(legs, l, most_ms);
}

/* --- another client gets it ------------------------------------------------------------------- */

static void lend(struct sock *s, const struct conn *to)
{
	static const char doing[] = "its leg is lent";
	struct client *c = sock_of(to->client_fd)->owner;
	struct served *l = s->owner;

	NEEDS(l->pooled);
	NEEDS(!is_stale(l));
	NEEDS(c->shares && !c->tcp);
	NEEDS(l->generation == to->service->generation->number);
	world_log("leg is lent", s->id, l->client->id, c->id);
	cover_count(l->client == c ? COVER_LENT_BACK : COVER_LENT);
	served_lent(s, c, l);
	pool.lent++;
}

struct conn_verdict __real_conn_join_idle(struct conn *c);
struct conn_verdict __wrap_conn_join_idle(struct conn *c);

struct conn_verdict __wrap_conn_join_idle(struct conn *c)
{
	{
		WORLD_RUNS();
		lend(sock_of(c->flow.leg->fd), c);
	}
	return __real_conn_join_idle(c);
}

/* --- it is closed ----------------------------------------------------------------------------- */

/* One that is, is a reason to close those that are older. */
static bool has_stale(const struct served *l)
{
	for (unsigned i = 0; i < people.legs; i++) {
		const struct served *other = people.leg[i];

		if ((other->was_pooled || other->lent) && is_stale(other) &&
		    addr_port(&other->s->far) == addr_port(&l->s->far))
			return true;
	}
	return false;
}

static void judge_cause(const struct served *l, enum parting how)
{
	static const char doing[] = "it is closed, in the pool";
	const struct worker *w = &sim_worker;

	switch (how) {
	case PARTS_IDLE:
		NEEDS(world_ms() - l->pooled_ms >= leg_idle_least_ms(l->client));
		break;
	case PARTS_CLOSED:
		NEEDS(has_stale(l));
		break;
	case PARTS_WANTED:
		NEEDS(sim_servers_wanted() || sim_mood.faults); /* a place, or a descriptor */
		break;
	case PARTS_SHARED: /* none is counted, or not yet */
		NEEDS(w->draining || w->posted || sim_mood.taken_out || sim_mood.faults ||
		      sim_mood.refused_ports || (pool.chooses && sim_mood.limited));
		break;
	default:
		world_fail("#%u is closed, in the pool, for %u", l->s->id, how);
	}
}

void oracle_pool_closes(struct served *l)
{
	enum parting how;
	unsigned n;

	if (!l->pooled)
		return;
	l->pooled = false;
	how = leg_counted(&n);
	if (!n)
		how = PARTS_SHARED;
	pool.uncounted += !n;
	world_log("leg of the pool is closed", l->s->id, how, n);
	if (is_stale(l))
		leg_learn(world_ms() - l->served_us / 1000);
	if (n > 1 && !world.memory_faults)
		world_fail("#%u is closed, in the pool, for %u causes", l->s->id, n);
	if (!world.memory_faults)
		judge_cause(l, how);
	cover_count(how == PARTS_IDLE     ? COVER_POOL_IDLE
		    : how == PARTS_CLOSED ? COVER_POOL_CLOSED
					  : COVER_POOL_UNCOUNTED);
}

enum kedge_reason __real_conn_choose(struct conn *c);
enum kedge_reason __wrap_conn_choose(struct conn *c);

/* kedge will be told of it later. */
static void cross(void)
{
	WORLD_RUNS();

	for (unsigned i = 0; !world.looks && !sim_mood.silent && i < WORLD_FDS; i++) {
		const struct sock *s = world.by_fd[i];
		struct served *l = s && s->kind == SOCK_APP ? s->owner : NULL;

		if (l && l->pooled && dice_rare(8))
			served_crosses(l);
	}
}

/* One that has made room for another is counted behind its close. */
enum kedge_reason __wrap_conn_choose(struct conn *c)
{
	const unsigned before = pool.uncounted;
	enum kedge_reason reason;
	enum parting how;
	unsigned n;

	cross();
	pool.chooses = true;
	reason = __real_conn_choose(c);
	pool.chooses = false;
	if (pool.uncounted == before)
		return reason;
	how = leg_counted(&n);
	if (!world.memory_faults && (how != PARTS_WANTED || n != pool.uncounted - before))
		world_fail("%u legs have made room for others, and %u are counted",
			   pool.uncounted - before, n);
	return reason;
}

/* --- after each turn, and at the end ---------------------------------------------------------- */

static void judge_idle(struct served *l)
{
	static const char doing[] = "it is in the pool";

	NEEDS(l->s->state != TCP_CONNECTING && !l->s->closed && !l->s->shut);
	NEEDS(!sim_worker.draining);
	NEEDS(l->generation == sim_worker.doors->generation->number);
	l->stale_turns += is_stale(l);
	NEEDS(l->stale_turns <= STALE_TURNS_MAX);
	NEEDS(sim_worker.loop.now_ms <= l->pooled_ms + l->client->app_idle_ms + TIMER_LATE_MS);
}

/* What a server has counted is what there is. */
static void judge_server(const struct server *s)
{
	unsigned open = 0, idle = 0;
	const struct conn *c;
	const struct leg *l;

	LIST_FOREACH(c, &sim_worker.conns, link)
		open += c->flow.leg && c->flow.leg->server == s;
	TAILQ_FOREACH(l, &sim_worker.legs.idle, idle_link)
		idle += l->server == s;
	if (s->connections != open + idle || s->rows->idle != idle)
		world_fail("server %s: %u connections are counted, %u of them idle; %u and %u are",
			   s->name, s->connections, s->rows->idle, open + idle, idle);
}

unsigned oracle_pool_turn(void)
{
	const struct conn *c;
	const struct leg *l;
	unsigned n = 0;

	for (unsigned i = 0; i < WORLD_FDS; i++) {
		const struct sock *s = world.by_fd[i];
		struct served *served = s && s->kind == SOCK_APP ? s->owner : NULL;

		if (!served || !served->pooled)
			continue;
		judge_idle(served);
		n++;
	}
	if (n != sim_worker.legs.idle_count)
		world_fail("%u legs have no client, and %u are counted", n,
			   sim_worker.legs.idle_count);
	TAILQ_FOREACH(l, &sim_worker.legs.idle, idle_link)
		judge_server(l->server);
	LIST_FOREACH(c, &sim_worker.conns, link)
		if (c->flow.leg && c->flow.leg->server)
			judge_server(c->flow.leg->server);
	return n;
}

void oracle_pool_over(void)
{
	const struct kedge_stats *s = sim_worker.stats;

	if (s->legs_shared != pool.lent)
		world_fail("shared legs: %llu are counted, %llu were lent",
			   (unsigned long long)s->legs_shared, (unsigned long long)pool.lent);
}
