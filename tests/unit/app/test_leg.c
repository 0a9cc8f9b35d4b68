/* SPDX-License-Identifier: BSD-2-Clause */
/* user/app/leg.c: how a leg ends, and how long it may be idle. */
#include "app/leg.h"

#include "tests/unit/app/leg_rig.h"

/* --- the close -------------------------------------------------------------------------------- */

static unsigned freed;

static void edit_freed(struct edit *e)
{
	(void)e;
	freed++;
}

static void closed(bool reset, int err)
{
	static const struct edit_ops ops = {.free = edit_freed};
	struct edit edit = {.ops = &ops};
	char byte;

	freed = 0;
	leg->edit = &edit;
	leg_close(&legs, leg, reset);
	assert_int_equal(freed, 1);
	assert_true(net_wait(app, POLLIN, NET_PATIENCE_MS));
	assert_int_equal(recv(app, &byte, 1, 0), err ? -1 : 0);
	if (err)
		assert_int_equal(errno, err);
	/* More events of this turn may be for it. */
	assert_null(leg->owner);
	assert_int_equal(leg->fd, -1);
	assert_true(legs.bury.queued);
	leg = NULL;
}

static void a_leg_ends_in_order(void **state)
{
	(void)state;
	closed(false, 0);
}

static void or_by_a_reset(void **state)
{
	(void)state;
	closed(true, ECONNRESET);
}

static void one_without_a_socket(void **state)
{
	(void)state;
	leg_close(&legs, leg_new(&legs, &legs), true);
	legs.bury.run(&legs.bury);
	assert_true(LIST_EMPTY(&legs.graves));
}

/* --- how long it may be idle ------------------------------------------------------------------ */

static void less_than_the_application_allows(void **state)
{
	static const struct {
		uint16_t said_s;
		uint32_t max_ms;
	} rows[] = {{0, 4000}, {1, 500},   {2, 1000},    {5, 4000},
		    {4, 3000}, {60, 4000}, {65535, 4000}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		leg->response.keep_alive_s = rows[i].said_s;
		assert_int_equal(leg_idle_max_ms(&legs, leg, 4000), rows[i].max_ms);
	}
}

static void seen(uint64_t idle_ms)
{
	leg->served_us = (loop.now_ms - idle_ms) * 1000;
	leg_closed_idle(&legs, leg);
}

static void less_than_what_was_seen(void **state)
{
	(void)state;
	loop.now_ms = 10000000;
	leg_closed_idle(&legs, leg); /* it has served nobody */
	seen(499);                   /* a restart, most likely */
	assert_int_equal(leg_idle_max_ms(&legs, leg, 4000), 4000);
	seen(3000);
	assert_int_equal(leg_idle_max_ms(&legs, leg, 4000), 2400);
	assert_int_equal(leg_idle_max_ms(&legs, leg, 1000), 1000);
	seen(3500); /* of several the shortest counts */
	seen(2000);
	assert_int_equal(leg_idle_max_ms(&legs, leg, 4000), 1600);
	loop.now_ms += 599999;
	assert_int_equal(leg_idle_max_ms(&legs, leg, 4000), 1600);
	loop.now_ms++; /* the application may be another one now */
	assert_int_equal(leg_idle_max_ms(&legs, leg, 4000), 4000);
	seen(4000);
	assert_int_equal(leg_idle_max_ms(&legs, leg, 4000), 3200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_leg_ends_in_order),     TEST(or_by_a_reset),
		TEST(one_without_a_socket),    TEST(less_than_the_application_allows),
		TEST(less_than_what_was_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
