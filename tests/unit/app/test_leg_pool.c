/* SPDX-License-Identifier: BSD-2-Clause */
/* user/app/leg_pool.c: the leg that was given back last goes first, and none that is in doubt. */
#include "app/leg_pool.h"

#include "tests/unit/app/leg_rig.h"

#define ANY UINT64_MAX

static unsigned freed;

static void edit_freed(struct edit *e)
{
	(void)e;
	freed++;
}

static const struct edit_ops ops = {.free = edit_freed};
static struct kedge_note note;
static struct edit edit = {.ops = &ops, .note = &note};

static int apps[4];
static struct leg *lent[4];

/* Four legs to one server, given back in this order, a millisecond apart. */
static void put_four(void)
{
	freed = 0;
	leg_close(&legs, leg, false);
	leg = NULL;
	for (int i = 0; i < 4; i++) {
		struct leg *l = lent[i] = leg_new(&legs, &legs);

		assert_true(server_enter(server, 0));
		l->server = server;
		l->edit = &edit;
		net_pair(&apps[i], &l->fd, 0);
		assert_int_equal(loop_add(&loop, l->fd, &l->watch, EPOLLIN | EPOLLET), 0);
		leg_set_busy(&legs, l, true);
		loop.now_us += 1000;
		loop.now_ms++;
		l->served_us = loop.now_us;
		leg_pool_put(&legs, l, 4000);
		assert_false(l->busy);
		assert_null(l->owner);
	}
	assert_int_equal(legs.idle_count, 4);
	assert_int_equal(server->rows[0].idle, 4);
	assert_int_equal(server->rows[0].busy, 0);
	assert_int_equal(server->connections, 4);
}

static int empty(void **state)
{
	leg_pool_clear(&legs);
	for (int i = 0; i < 4; i++) {
		if (apps[i] > 0)
			close(apps[i]);
		apps[i] = 0;
	}
	return down(state);
}

static void taken(int i)
{
	assert_ptr_equal(leg_pool_take(&legs, server, ANY), lent[i]);
	assert_null(lent[i]->pool);
	assert_ptr_equal(lent[i]->watch.ready, legs.ready);
	leg_close(&legs, lent[i], false);
}

static void the_last_one_goes_first(void **state)
{
	(void)state;
	put_four();
	assert_ptr_equal(leg_pool_oldest(&legs), lent[0]);
	for (int i = 3; i >= 0; i--)
		taken(i);
	assert_null(leg_pool_take(&legs, server, ANY));
	assert_null(leg_pool_oldest(&legs));
	assert_int_equal(legs.idle_count, 0);
	assert_int_equal(server->rows[0].idle, 0);
	assert_int_equal(server->connections, 0);
	assert_int_equal(stats.legs_closed + stats.legs_idle, 0);
}

static void not_one_that_is_too_old(void **state)
{
	(void)state;
	put_four();
	loop.now_us += 999;
	assert_null(leg_pool_take(&legs, server, 998));
	assert_int_equal(legs.idle_count, 4);
	assert_ptr_equal(leg_pool_take(&legs, server, 999), lent[3]);
	leg_close(&legs, lent[3], false);
}

/* Its client was slow to take the response. */
static void nor_one_that_was_given_back_late(void **state)
{
	struct leg *l;

	(void)state;
	put_four();
	l = leg_pool_take(&legs, server, ANY);
	loop.now_us += 1000;
	leg_pool_put(&legs, l, 4000);
	assert_null(leg_pool_take(&legs, server, 999));
	assert_ptr_equal(leg_pool_take(&legs, server, 1000), l);
	leg_close(&legs, l, false);
}

/* Its older ones have ended, too, or will soon. */
static void a_stale_one_takes_older_ones_with_it(void **state)
{
	(void)state;
	put_four();
	close(apps[3]);
	apps[3] = 0;
	assert_null(leg_pool_take(&legs, server, ANY));
	assert_int_equal(legs.idle_count, 0);
	assert_int_equal(server->connections, 0);
	assert_int_equal(stats.legs_closed, 4);
	assert_int_equal(freed, 4);
}

static void or_one_that_says_something(void **state)
{
	(void)state;
	put_four();
	assert_int_equal(send(apps[2], "x", 1, 0), 1);
	taken(3);
	assert_null(leg_pool_take(&legs, server, ANY));
	assert_int_equal(stats.legs_closed, 3);
}

/* An event is looked at: an EPOLLOUT says nothing, nor does an EPOLLIN without bytes. */
static void events_of_idle_legs(void **state)
{
	(void)state;
	put_four();
	lent[1]->watch.ready(&lent[1]->watch, EPOLLOUT);
	lent[1]->watch.ready(&lent[1]->watch, EPOLLIN);
	assert_int_equal(legs.idle_count, 4);
	close(apps[1]);
	apps[1] = 0;
	lent[1]->watch.ready(&lent[1]->watch, EPOLLIN | EPOLLRDHUP);
	assert_int_equal(legs.idle_count, 2);
	assert_int_equal(stats.legs_closed, 2);
	taken(3);
	taken(2);
}

static void each_has_its_time(void **state)
{
	(void)state;
	put_four();
	assert_true(lent[0]->idle_timer.due_ms);
	assert_int_equal(lent[0]->idle_timer.due_ms, lent[3]->idle_timer.due_ms - 3);
	lent[0]->idle_timer.expired(&lent[0]->idle_timer);
	assert_int_equal(legs.idle_count, 3);
	assert_int_equal(stats.legs_idle, 1);
	assert_ptr_equal(leg_pool_take(&legs, server, ANY), lent[3]);
	assert_false(lent[3]->idle_timer.due_ms);
	leg_close(&legs, lent[3], false);
}

/* One that was taken has failed: of the others, those that are younger stay. */
static void those_that_are_older_than_one_that_failed(void **state)
{
	struct leg *l;

	(void)state;
	put_four();
	l = leg_pool_take(&legs, server, ANY);
	loop.now_us += 1000;
	leg_pool_put(&legs, l, 4000); /* another one, younger than it */
	l = lent[2];
	leg_pool_doubt(&legs, l);
	assert_int_equal(legs.idle_count, 1);
	assert_int_equal(stats.legs_closed, 3);
	taken(3);
}

/* Another server's are not touched. */
static void each_server_has_its_own(void **state)
{
	struct server *other = server_new("app", "other", 1);
	struct leg *l = leg_new(&legs, &legs);

	(void)state;
	put_four();
	assert_true(server_enter(other, 0));
	l->server = other;
	l->edit = &edit;
	net_pair(&app, &l->fd, 0);
	leg_pool_put(&legs, l, 4000);
	close(apps[3]);
	apps[3] = 0;
	assert_null(leg_pool_take(&legs, server, ANY));
	assert_int_equal(other->rows[0].idle, 1);
	assert_ptr_equal(leg_pool_take(&legs, other, ANY), l);
	leg_close(&legs, l, false);
	server_put(other);
}

static int fresh(void **state)
{
	stats = (struct kedge_stats){0};
	return up(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, empty)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_last_one_goes_first),
		TEST(not_one_that_is_too_old),
		TEST(nor_one_that_was_given_back_late),
		TEST(a_stale_one_takes_older_ones_with_it),
		TEST(or_one_that_says_something),
		TEST(events_of_idle_legs),
		TEST(each_has_its_time),
		TEST(those_that_are_older_than_one_that_failed),
		TEST(each_server_has_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
