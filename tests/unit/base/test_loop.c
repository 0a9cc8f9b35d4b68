/* SPDX-License-Identifier: BSD-2-Clause */
/* loop.c on a clock that the test moves: timers, tasks, and what may be freed when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/container_of.h"

static uint64_t clock_ms;

static int test_clock(clockid_t id, struct timespec *ts)
{
	assert_int_equal(id, CLOCK_MONOTONIC);
	ts->tv_sec = (time_t)(clock_ms / 1000);
	ts->tv_nsec = (long)(clock_ms % 1000) * 1000000;
	return 0;
}

#define clock_gettime test_clock
#include "base/loop.c"
#undef clock_gettime

#define ROUND_MS ((uint64_t)LOOP_TICK_MS * LOOP_SLOTS)

static struct loop loop;

static void stop_run(struct task *t)
{
	(void)t;
	loop.stop = true;
}

/* One turn, now; it never waits, because a task is queued. */
static void turn(void)
{
	struct task stop = {.run = stop_run};

	loop.stop = false;
	loop_later(&loop, &stop);
	loop_run(&loop);
}

/* Time passes in steps of at most one tick, as for a busy loop. */
static void pass(uint64_t ms)
{
	uint64_t until = clock_ms + ms;

	while (clock_ms < until) {
		clock_ms += until - clock_ms < LOOP_TICK_MS ? until - clock_ms : LOOP_TICK_MS;
		turn();
	}
}

/* Time passes in one step, as for a loop that slept. */
static void leap(uint64_t ms)
{
	clock_ms += ms;
	turn();
}

struct alarm {
	struct timer timer;
	unsigned rang;
	uint64_t at;       /* clock_ms of the last one */
	uint64_t again_ms; /* armed again in the callback; 0: not */
	struct alarm *stops;
};

static void alarm_rings(struct timer *t)
{
	struct alarm *a = (struct alarm *)t;

	a->rang++;
	a->at = clock_ms;
	if (a->again_ms)
		loop_timer_set(&loop, t, a->again_ms);
	if (a->stops)
		loop_timer_stop(&loop, &a->stops->timer);
}

#define ALARM                                \
	{                                    \
		.timer.expired = alarm_rings \
	}

static int up(void **state)
{
	(void)state;
	clock_ms = 1000003;
	return loop_init(&loop);
}

static int down(void **state)
{
	(void)state;
	loop_fini(&loop);
	return 0;
}

/* --- timers ----------------------------------------------------------------------------------- */

static void a_timer_is_never_early_and_at_most_two_ticks_late(void **state)
{
	static const uint64_t times[] = {0,
					 1,
					 63,
					 64,
					 65,
					 127,
					 128,
					 1000,
					 60000,
					 ROUND_MS - 64,
					 ROUND_MS - 1,
					 ROUND_MS,
					 ROUND_MS + 1,
					 3 * ROUND_MS + 77};

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct alarm a = ALARM;
		uint64_t begin = clock_ms;

		loop_timer_set(&loop, &a.timer, times[i]);
		for (uint64_t ms = 0; !a.rang && ms < times[i] + 1000; ms += 16)
			pass(16);
		assert_int_equal(a.rang, 1);
		assert_in_range(a.at - begin, times[i], times[i] + 2 * LOOP_TICK_MS);
		assert_int_equal(a.timer.due_ms, 0);
		assert_int_equal(a.timer.slot_ms, 0);
	}
	assert_int_equal(loop.timers, 0);
}

static void a_timer_rings_once(void **state)
{
	struct alarm a = ALARM;

	(void)state;
	loop_timer_set(&loop, &a.timer, 100);
	pass(2 * ROUND_MS);
	assert_int_equal(a.rang, 1);
}

static void moved_away(void **state)
{
	struct alarm a = ALARM;
	uint64_t begin = clock_ms;

	(void)state;
	loop_timer_set(&loop, &a.timer, 1000);
	for (int i = 0; i < 50; i++) { /* activity, every time before the deadline */
		pass(500);
		assert_int_equal(a.rang, 0);
		loop_timer_set(&loop, &a.timer, 1000);
	}
	assert_int_equal(loop.timers, 1);
	pass(2000);
	assert_int_equal(a.rang, 1);
	assert_in_range(a.at - begin, 26000, 26000 + 2 * LOOP_TICK_MS);
}

static void moved_near(void **state)
{
	struct alarm a = ALARM;
	uint64_t begin = clock_ms;

	(void)state;
	loop_timer_set(&loop, &a.timer, 10 * ROUND_MS);
	loop_timer_set(&loop, &a.timer, 5000);
	loop_timer_set(&loop, &a.timer, 300);
	assert_int_equal(loop.timers, 1);
	pass(1000);
	assert_int_equal(a.rang, 1);
	assert_in_range(a.at - begin, 300, 300 + 2 * LOOP_TICK_MS);
	pass(ROUND_MS);
	assert_int_equal(a.rang, 1);
}

static void stopped(void **state)
{
	struct alarm a = ALARM, never = ALARM;

	(void)state;
	loop_timer_set(&loop, &a.timer, 300);
	loop_timer_stop(&loop, &a.timer);
	loop_timer_stop(&loop, &a.timer);
	loop_timer_stop(&loop, &never.timer);
	pass(2 * ROUND_MS);
	assert_int_equal(a.rang, 0);
	assert_int_equal(loop.timers, 0);
	loop_timer_set(&loop, &a.timer, 300);
	pass(1000);
	assert_int_equal(a.rang, 1);
}

static void armed_again_in_the_callback(void **state)
{
	struct alarm a = ALARM;
	uint64_t begin = clock_ms;

	(void)state;
	a.again_ms = 250;
	loop_timer_set(&loop, &a.timer, 250);
	pass(10000);
	/* each is at most two ticks late */
	assert_in_range(a.rang, 10000 / (250 + 2 * LOOP_TICK_MS), 10000 / 250);
	assert_in_range(a.at - begin, 9000, 10000);
	loop_timer_stop(&loop, &a.timer);
}

static void armed_again_for_now_does_not_hold_the_loop(void **state)
{
	struct alarm a = ALARM;

	(void)state;
	loop_timer_set(&loop, &a.timer, 0);
	a.again_ms = 1;
	leap(5 * ROUND_MS);
	assert_in_range(a.rang, 1, 2);
	loop_timer_stop(&loop, &a.timer);
}

static void one_callback_stops_the_next(void **state)
{
	struct alarm a = ALARM, b = ALARM;

	(void)state;
	a.stops = &b;
	b.stops = &a;
	loop_timer_set(&loop, &a.timer, 300);
	loop_timer_set(&loop, &b.timer, 300);
	leap(1000);
	assert_int_equal(a.rang + b.rang, 1);
	assert_int_equal(loop.timers, 0);
}

static void a_long_sleep_misses_none(void **state)
{
	enum { MANY = 3000 };
	struct alarm *a = calloc(MANY, sizeof(*a));
	unsigned due = 0, rang = 0;

	(void)state;
	for (uint64_t i = 0; i < MANY; i++) {
		a[i].timer.expired = alarm_rings;
		loop_timer_set(&loop, &a[i].timer, i * 97);
	}
	leap(2 * ROUND_MS + 5);
	for (uint64_t i = 0; i < MANY; i++) {
		due += i * 97 + 2 * LOOP_TICK_MS <= 2 * ROUND_MS + 5;
		rang += a[i].rang;
		assert_true(!a[i].rang || i * 97 <= 2 * ROUND_MS + 5);
	}
	assert_true(rang >= due && due > 100);
	pass(3 * ROUND_MS);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(a[i].rang, 1);
	assert_int_equal(loop.timers, 0);
	free(a);
}

/* Random sets, moves and stops against the plainest model there is: a deadline each. */
static void many_timers_against_a_model(void **state)
{
	enum { TIMERS = 40, STEPS = 20000 };
	struct alarm a[TIMERS] = {0};
	uint64_t due[TIMERS] = {0};
	unsigned seed = 7;

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		int i = rand_r(&seed) % TIMERS;
		/* mostly short, sometimes beyond a round */
		uint64_t ms = (uint64_t)rand_r(&seed) % (rand_r(&seed) % 8 ? 3000 : 2 * ROUND_MS);

		a[i].timer.expired = alarm_rings;
		if (rand_r(&seed) % 4) {
			loop_timer_set(&loop, &a[i].timer, ms);
			due[i] = clock_ms + ms;
		} else {
			loop_timer_stop(&loop, &a[i].timer);
			due[i] = 0;
		}
		leap((uint64_t)rand_r(&seed) % (rand_r(&seed) % 50 ? 100 : 2 * ROUND_MS));
		for (i = 0; i < TIMERS; i++) {
			if (a[i].rang) {
				assert_true(due[i] && due[i] <= clock_ms);
				assert_int_equal(a[i].rang, 1);
				a[i].rang = 0;
				due[i] = 0;
			}
			assert_true(!due[i] || due[i] + 2 * LOOP_TICK_MS > clock_ms);
			assert_int_equal(!due[i], !a[i].timer.slot_ms);
		}
	}
	for (int i = 0; i < TIMERS; i++)
		loop_timer_stop(&loop, &a[i].timer);
	assert_int_equal(loop.timers, 0);
}

/* How long the loop would sleep: never past a deadline, and not at all busy. */
static void the_wait_fits_the_soonest_timer(void **state)
{
	struct alarm a = ALARM, b = ALARM;

	(void)state;
	assert_int_equal(wheel_wait_ms(&loop), -1);
	loop_timer_set(&loop, &a.timer, 5000);
	assert_in_range(wheel_wait_ms(&loop), 5000, 5000 + LOOP_TICK_MS);
	loop_timer_set(&loop, &b.timer, 700);
	assert_in_range(wheel_wait_ms(&loop), 700, 700 + LOOP_TICK_MS);
	leap(800);
	assert_int_equal(b.rang, 1);
	assert_in_range(wheel_wait_ms(&loop), 4200, 4200 + LOOP_TICK_MS);
	loop_timer_set(&loop, &b.timer, 100 * ROUND_MS);
	leap(5000);
	assert_int_equal(a.rang, 1);
	assert_in_range(wheel_wait_ms(&loop), 1, ROUND_MS);
	loop_timer_stop(&loop, &b.timer);
	assert_int_equal(wheel_wait_ms(&loop), -1);
}

/* --- tasks ------------------------------------------------------------------------------------ */

struct job {
	struct task task;
	unsigned ran, more;
	struct job *then;
};

static void job_run(struct task *t)
{
	struct job *j = (struct job *)t;

	j->ran++;
	if (j->more && j->more--)
		loop_later(&loop, t);
	if (j->then)
		loop_later(&loop, &take_ptr(j->then)->task);
}

static void a_task_put_off_in_a_task_runs_in_the_next_turn(void **state)
{
	struct job a = {.task.run = job_run, .more = 2}, b = {.task.run = job_run};

	(void)state;
	a.then = &b;
	loop_later(&loop, &a.task);
	turn();
	assert_int_equal(a.ran, 1);
	assert_int_equal(b.ran, 0);
	turn();
	assert_int_equal(a.ran, 2);
	assert_int_equal(b.ran, 1);
	turn();
	turn();
	turn();
	assert_int_equal(a.ran, 3);
	assert_int_equal(b.ran, 1);
	assert_false(a.task.queued || b.task.queued);
}

static void a_task_is_queued_once(void **state)
{
	struct job a = {.task.run = job_run};

	(void)state;
	loop_later(&loop, &a.task);
	loop_later(&loop, &a.task);
	assert_true(a.task.queued);
	turn();
	turn();
	assert_int_equal(a.ran, 1);
}

/* --- descriptors ------------------------------------------------------------------------------ */

struct owner {
	struct watch watch;
	struct task bury;
	int fd, far;
	struct owner *other;
	unsigned *ready, *buried;
};

static void owner_bury(struct task *t)
{
	struct owner *o = container_of(t, struct owner, bury);

	++*o->buried;
	free(o);
}

/* Ends itself and its pair, whose event may stand in the same turn's list: I2. */
static void owner_ready(struct watch *w, uint32_t events)
{
	struct owner *o = (struct owner *)w;

	++*o->ready;
	assert_true(events & EPOLLIN);
	for (int i = 0; i < 2; i++, o = o->other) {
		if (o->fd >= 0)
			close(o->fd);
		o->fd = -1;
		loop_later(&loop, &o->bury);
	}
}

static struct owner *owner_new(unsigned *ready, unsigned *buried)
{
	struct owner *o = calloc(1, sizeof(*o));
	int fds[2];

	assert_non_null(o);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	*o = (struct owner){.watch.ready = owner_ready,
			    .bury.run = owner_bury,
			    .fd = fds[0],
			    .far = fds[1],
			    .ready = ready,
			    .buried = buried};
	assert_int_equal(loop_add(&loop, o->fd, &o->watch, EPOLLIN | EPOLLET), 0);
	return o;
}

static void a_watch_is_freed_at_the_end_of_the_turn(void **state)
{
	unsigned ready = 0, buried = 0;
	struct owner *a = owner_new(&ready, &buried), *b = owner_new(&ready, &buried);
	int far[] = {a->far, b->far};

	(void)state;
	a->other = b;
	b->other = a;
	assert_int_equal(write(far[0], "x", 1), 1);
	assert_int_equal(write(far[1], "x", 1), 1);
	turn();
	assert_int_equal(ready, 2); /* both events came, the second to an owner that had ended */
	assert_int_equal(buried, 2);
	assert_int_equal(send(far[0], "x", 1, MSG_NOSIGNAL), -1);
	turn();
	assert_int_equal(ready, 2);
	close(far[0]);
	close(far[1]);
}

struct counter {
	struct watch watch;
	unsigned ready;
	uint32_t events;
};

static void counter_ready(struct watch *w, uint32_t events)
{
	struct counter *c = (struct counter *)w;

	c->ready++;
	c->events = events;
}

static void events_can_be_changed(void **state)
{
	struct counter c = {.watch.ready = counter_ready};
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(loop_add(&loop, fds[0], &c.watch, EPOLLIN), 0);
	assert_int_equal(loop_add(&loop, fds[0], &c.watch, EPOLLIN), -EEXIST);
	turn();
	assert_int_equal(c.ready, 0);
	assert_int_equal(loop_mod(&loop, fds[0], &c.watch, EPOLLOUT), 0);
	turn();
	assert_int_equal(c.ready, 1);
	assert_int_equal(c.events, EPOLLOUT);
	assert_int_equal(loop_mod(&loop, fds[0], &c.watch, 0), 0);
	turn();
	assert_int_equal(c.ready, 1);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(loop_mod(&loop, fds[0], &c.watch, 0), -EBADF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_timer_is_never_early_and_at_most_two_ticks_late),
		TEST(a_timer_rings_once),
		TEST(moved_away),
		TEST(moved_near),
		TEST(stopped),
		TEST(armed_again_in_the_callback),
		TEST(armed_again_for_now_does_not_hold_the_loop),
		TEST(one_callback_stops_the_next),
		TEST(a_long_sleep_misses_none),
		TEST(many_timers_against_a_model),
		TEST(the_wait_fits_the_soonest_timer),
		TEST(a_task_put_off_in_a_task_runs_in_the_next_turn),
		TEST(a_task_is_queued_once),
		TEST(a_watch_is_freed_at_the_end_of_the_turn),
		TEST(events_can_be_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
