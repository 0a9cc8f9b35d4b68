/* SPDX-License-Identifier: BSD-2-Clause */
/* loop_check() of loop.c and ring_check() of ring.c: each thing that must hold, broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/loop.h"
#include "base/ring.h"
#include "tests/lib/breaks.h"

/* --- the loop --------------------------------------------------------------------------------- */

static struct loop loop;
static struct timer timer;
static struct task task;

static void rings(struct timer *t)
{
	(void)t;
}

static void runs(struct task *t)
{
	(void)t;
}

static void stops(struct task *t)
{
	(void)t;
	loop.stop = true;
}

static void check(void)
{
	loop_check(&loop);
}

/* A turn checks by itself. */
static void turn(void)
{
	struct task stop = {.run = stops};

	loop.stop = false;
	loop_later(&loop, &stop);
	loop_run(&loop);
}

static const char *loop_broken(unsigned row)
{
	BREAK("++n <= l->timers", loop.timers = 0);
	BREAK("++n <= l->timers", timer.link.le_next = &timer);
	BREAK("timers == l->timers", loop.timers++);
	BREAK("tick % LOOP_SLOTS == slot", timer.slot_ms += LOOP_TICK_MS);
	BREAK("t->slot_ms == tick * LOOP_TICK_MS", timer.slot_ms++);
	BREAK("tick > l->tick && tick < l->tick + LOOP_SLOTS", loop.tick += 100,
	      loop.now_ms += 6400, loop.now_us = loop.now_ms * 1000);
	BREAK("tick >= l->soonest", loop.soonest = timer.slot_ms / LOOP_TICK_MS + 1);
	BREAK("t->due_ms && t->expired", timer.due_ms = 0);
	BREAK("t->due_ms && t->expired", timer.expired = NULL);
	BREAK("l->now_ms == l->now_us / 1000", loop.now_ms++);
	BREAK("t->queued && t->run", task.queued = false);
	BREAK("t->queued && t->run", task.run = NULL);
	BREAK("++tasks < 1u << 24", task.link.stqe_next = &task);
	BREAK("l->tasks.stqh_last ==", loop.tasks.stqh_last = &loop.tasks.stqh_first);
	return NULL;
}

static const char *turn_broken(unsigned row)
{
	BREAK("timers == l->timers", loop.timers++);
	return NULL;
}

static void a_loop(void **state)
{
	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	timer.expired = rings;
	task.run = runs;
	loop_timer_set(&loop, &timer, 3000);
	breaks(turn_broken, turn);
	loop_later(&loop, &task);
	breaks(loop_broken, check);
	loop_fini(&loop);
}

/* --- a ring ----------------------------------------------------------------------------------- */

static struct ring ring;

static void check_ring(void)
{
	ring_check(&ring);
}

static void put(void)
{
	ring_put(&ring, &(struct iovec){"abc", 3}, 1);
}

static void take(void)
{
	char buf[16];

	ring_take(&ring, buf, sizeof(buf));
}

static const char *ring_broken(unsigned row)
{
	BREAK("r->bytes && r->size", ring.bytes = NULL);
	BREAK("!(r->size & (r->size - 1))", ring.size = 63);
	BREAK("used <= r->size", ring.put += 100);
	BREAK("used <= r->size", ring.taken = ring.put + 1);
	BREAK("used > sizeof(length)", ring.taken = ring.put - 4);
	return NULL;
}

static const char *put_broken(unsigned row)
{
	BREAK("!(r->size & (r->size - 1))", ring.size = 63);
	return NULL;
}

static const char *take_broken(unsigned row)
{
	BREAK("at + len - r->taken <= ring_used(r)", ring.bytes[ring.taken] = 50);
	return NULL;
}

static void a_ring(void **state)
{
	(void)state;
	assert_int_equal(ring_init(&ring, 64), 0);
	put();
	breaks(ring_broken, check_ring);
	breaks(put_broken, put);
	put();
	breaks(take_broken, take);
	ring_fini(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop),
		cmocka_unit_test(a_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
