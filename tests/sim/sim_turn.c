/* SPDX-License-Identifier: BSD-2-Clause */
/* Who acts next, and how time passes. See sim_turn.h. */
#include "sim_turn.h"

#include "conn/conn.h"
#include "conn/worker.h"
#include "cover.h"
#include "oracle.h"
#include "sim.h"
#include "sim_conf.h"

#define ACTIONS_MAX   6000
/* A timer that comes then may come in the turns that follow from a look for lost wakeups. */
#define TIMER_SOON_MS 3
/* Turns of the loop in which nothing happens. */
#define SPINS_MAX     300

static struct {
	uint64_t turns, actions, actions_max;
	uint64_t moved, acted, then_us; /* at the last turn */
	unsigned spins;
	uint64_t silent_ms;
	uint64_t drain_ms;
	uint64_t looks_moved; /* kedge must do nothing then */
} turn;

void turn_run(void)
{
	turn = (typeof(turn)){
		.actions_max = 50 + dice(sim_mood.kept || dice_rare(2) ? ACTIONS_MAX : 1000)};
}

uint64_t turn_count(void)
{
	return turn.turns;
}

/* --- who acts --------------------------------------------------------------------------------- */

/* The network goes on whatever happens. */
static bool network_acts(struct sock *s)
{
	size_t n = sock_pending(s);

	if (!network_has(s))
		return false;
	network_step(s, n > 1 && dice_rare(4) ? 1 + dice((uint32_t)n) : n);
	return true;
}

static bool one_acts(unsigned i)
{
	if (i < world.count)
		return network_acts(world.socks[i]);
	i -= world.count;
	if (sim_mood.silent)
		return false;
	if (i < people.clients)
		return client_act(people.client[i]);
	return served_act(people.leg[i - people.clients]);
}

static bool somebody_acts(void)
{
	unsigned all = world.count + people.clients + people.legs;
	unsigned first = dice(all);

	for (unsigned i = 0; i < all; i++)
		if (one_acts((first + i) % all)) {
			turn.actions++;
			return true;
		}
	return false;
}

/* When somebody wakes; UINT64_MAX: nobody does. */
static uint64_t next_ms(void)
{
	uint64_t now = world_ms(), next = UINT64_MAX;

	for (unsigned i = 0; !sim_mood.silent && i < people.clients; i++) {
		const struct client *c = people.client[i];
		uint64_t at = c->wake_ms > now ? c->wake_ms : c->alarm_ms;

		if (!c->over && at > now && at < next)
			next = at;
	}
	for (unsigned i = 0; !sim_mood.silent && i < people.legs; i++) {
		const struct served *l = people.leg[i];

		if (!l->over && l->wake_ms > now && l->wake_ms < next)
			next = l->wake_ms;
		if (!l->over && l->hang_up_ms > now && l->hang_up_ms < next)
			next = l->hang_up_ms;
	}
	return next;
}

/* --- what happens to all ---------------------------------------------------------------------- */

static void drain(void)
{
	world_log("drain", 0, sim_worker.conns_count, 0);
	if (sim_worker.conns_count)
		cover_count(COVER_DRAINS);
	sim_mood.draining = true;
	turn.drain_ms = world_ms();
	worker_drain(&sim_worker);
}

/* As before a drain, which comes later. */
static void close_soon(void)
{
	world_log("closing", 0, sim_worker.conns_count, 0);
	if (sim_worker.conns_count)
		cover_count(COVER_CLOSINGS);
	sim_mood.closing = true;
	worker_closing(&sim_worker);
}

static void fall_silent(void)
{
	world_log("silence", 0, sim_worker.conns_count, 0);
	sim_mood.silent = true;
	turn.silent_ms = world_ms();
	cover_count(COVER_ENDS_BY_TIME);
}

static void something_happens(void)
{
	if (sim_mood.draining || sim_mood.silent || (sim_mood.kept && dice(6)))
		return;
	if (!sim_mood.plain && dice_rare(500))
		drain();
	else if (!sim_mood.plain && !sim_mood.closing && dice_rare(400))
		close_soon();
	else if (dice_rare(200))
		sim_reload();
	else if (!sim_mood.plain && dice_rare(100))
		sim_mood.down = !sim_mood.down;
	else if (!sim_mood.plain && dice_rare(100))
		sim_operate();
	if (!sim_mood.plain && dice_rare(120)) {
		world.descriptor_faults = 1 + dice(3);
		sim_mood.faults = true;
		cover_count(COVER_DESCRIPTOR_FAULTS);
	}
	if (!sim_mood.plain && dice_rare(40)) {
		world.memory_after = 1 + dice(12);
		sim_mood.faults = world.memory_faults = true;
	}
}

/* --- how long it may take --------------------------------------------------------------------- */

static uint64_t longest_ms(const struct conf *c)
{
	return c->app_idle_timeout_ms + c->prefix_timeout_ms + c->handshake_timeout_ms +
	       c->connect_timeout_ms + c->head_timeout_ms + 3 * c->idle_timeout_ms +
	       c->response_timeout_ms + 4 * c->rate_grace_ms + 4 * c->linger_timeout_ms + 10000;
}

static void judge_time(int ms)
{
	uint64_t now = world_ms(), most = 0;
	struct conn *c;

	LIST_FOREACH(c, &sim_worker.conns, link) {
		if (ms < 0)
			world_fail("client %u: open, and no timer is set",
				   ((struct client *)sock_of(c->client_fd)->owner)->id);
		if (longest_ms(conn_conf(c)) > most)
			most = longest_ms(conn_conf(c));
	}
	if (sim_mood.draining && now > turn.drain_ms + sim_conf()->drain_timeout_ms + 5000)
		world_fail("the drain does not end: %u connections", sim_worker.conns_count);
	if (sim_mood.silent && sim_worker.conns_count && now > turn.silent_ms + most)
		world_fail(
			"client %u: still open %llu ms after all fell silent",
			((struct client *)sock_of(LIST_FIRST(&sim_worker.conns)->client_fd)->owner)
				->id,
			(unsigned long long)(now - turn.silent_ms));
}

/* --- turns ------------------------------------------------------------------------------------ */

static void judge_spin(void)
{
	bool same = turn.moved == world.moved && turn.acted == turn.actions &&
		    turn.then_us / 1000 == world.now_us / 1000;

	turn.spins = same ? turn.spins + 1 : 0;
	if (turn.spins > SPINS_MAX)
		world_fail("the loop spins: nothing has happened in %u turns", turn.spins);
	turn.moved = world.moved;
	turn.acted = turn.actions;
	turn.then_us = world.now_us;
}

/* A wakeup that tells of nothing new must change nothing; otherwise one was lost before. */
static void judge_look(void)
{
	if (world.looks && world.moved != turn.looks_moved)
		world_fail(
			"a wakeup was lost: kedge goes on when it is told again of what it knows");
}

/*
 * While it connects, kedge does not look at its client: a RST that came together with a PROXY
 * prefix is found once the legs are joined. And a full socket may have a little room again, of
 * which it tells later. A read uses it at once if an answer to the client is due before it.
 */
static bool may_look(const struct sock *s)
{
	const struct client *c = s->owner;

	if (s->kind != SOCK_CLIENT)
		return s->kind == SOCK_APP;
	if (s->full && sock_pending(s) < s->out_room)
		return false;
	return c->state != CONN_CONNECT || s->state != TCP_DEAD;
}

static bool look_for_lost_wakeups(int ms)
{
	if (world.looks || (ms >= 0 && ms < TIMER_SOON_MS) || sim_mood.draining ||
	    !sim_worker.conns_count || !dice_rare(6))
		return false;
	world_log("look for lost wakeups", 0, 0, 0);
	cover_count(COVER_STALL_LOOKS);
	world.looks = true;
	turn.looks_moved = world.moved;
	for (unsigned i = 0; i < world.count; i++)
		if (may_look(world.socks[i]))
			sock_wake(world.socks[i], 0);
	return true;
}

void turn_begin(int ms)
{
	turn.turns++;
	world.now_us += 1 + dice(60);
	judge_look();
	oracle_turn();
	judge_spin();
	if (world.looks && !ms)
		return; /* the turns that follow from it come first */
	world.looks = false;
	something_happens();
	if (!ms || dice_rare(2))
		for (unsigned n = dice(4); n; n--)
			somebody_acts();
	if (!sim_mood.silent && !sim_mood.draining && turn.actions > turn.actions_max)
		dice_rare(2) ? fall_silent() : drain();
}

static void pass(uint64_t to_ms)
{
	world.now_us = to_ms * 1000 + world.now_us % 1000;
}

/* Nobody can do anything now. */
static bool time_passes(int *ms)
{
	uint64_t now = world_ms(), next = next_ms(), due;

	judge_time(*ms);
	if (!sim_mood.silent && !sim_mood.draining && next == UINT64_MAX)
		fall_silent();
	if (*ms < 0 && next == UINT64_MAX) {
		if (sim_mood.draining)
			world_fail("the worker does not end");
		drain();
		return true;
	}
	if (!sim_mood.silent && dice_rare(500)) {
		cover_count(COVER_JUMPS);
		sim_mood.jumped++;
		pass(now + dice(90000));
		*ms = 0;
		return false;
	}
	due = *ms < 0 ? UINT64_MAX : now + (uint64_t)*ms;
	pass(next < due ? next : due);
	if (*ms >= 0)
		*ms -= (int)(world_ms() - now);
	return *ms != 0;
}

bool turn_waits(int *ms)
{
	world.looks = false;
	if (somebody_acts()) {
		for (unsigned n = dice(3); n; n--)
			somebody_acts();
		if (!sim_mood.silent && turn.actions > turn.actions_max)
			*ms = 0; /* see turn_begin() */
		return *ms != 0;
	}
	return look_for_lost_wakeups(*ms) || time_passes(ms);
}
