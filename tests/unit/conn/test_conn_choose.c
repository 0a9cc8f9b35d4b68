/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_choose.c: whether a request gets a fresh leg, or one that has served others. */
#include "conn/conn_choose.h"

#include "app/leg_pool.h"
#include "tests/unit/conn/several_servers.h"

static struct doors doors = {.generation = &generation};
static int far[SERVERS * 2];
static unsigned far_count;

/* Idle since now, to this server. */
static struct leg *idle_leg(size_t server)
{
	struct leg *l = leg_new(&worker.legs, NULL);

	assert_non_null(l);
	assert_true(server_enter(servers.set[server], 0));
	l->server = servers.set[server];
	edit = (struct edit){.ops = &edit_ops, .note = &note, .stats = stats};
	l->edit = &edit;
	l->ready = true;
	l->served_us = worker.loop.now_us;
	net_pair(&far[far_count++], &l->fd, 0);
	leg_pool_put(&worker.legs, l, 4000);
	return l;
}

static void begin_shared(size_t count, const char *request)
{
	begin_with(count, 0);
	app_conf.app_reuse = APP_REUSE_SHARED;
	worker.doors = &doors;
	assert_true(residue_keep(&c->flow.up, request, strlen(request)));
}

static int end(void **state)
{
	leg_pool_clear(&worker.legs);
	worker.doors = NULL;
	while (far_count)
		close(far[--far_count]);
	return down(state);
}

static void choose(enum kedge_reason reason)
{
	assert_int_equal(conn_choose(c), reason);
	if (reason != KEDGE_REASON_NONE) {
		assert_null(c->flow.leg);
		return;
	}
	assert_ptr_equal(c->flow.leg->owner, c);
	assert_ptr_equal(c->flow.leg->server, servers.set[c->flow.leg->index]);
	assert_true(c->flow.leg->busy);
}

static void is_fresh(void)
{
	choose(KEDGE_REASON_NONE);
	assert_null(c->flow.leg->edit);
	assert_int_equal(c->flow.leg->fd, -1);
}

static void one_of_the_pool(void **state)
{
	struct leg *l;

	(void)state;
	begin_shared(1, GET);
	l = idle_leg(0);
	choose(KEDGE_REASON_NONE);
	assert_ptr_equal(c->flow.leg, l);
	assert_int_equal(servers.set[0]->connections, 1);
	assert_int_equal(worker.legs.idle_count, 0);
}

static void a_fresh_one_if_none_is_idle(void **state)
{
	(void)state;
	begin_shared(1, GET);
	is_fresh();
	assert_int_equal(servers.set[0]->connections, 1);
}

static void not_for_clients_that_do_not_share(void **state)
{
	(void)state;
	begin_shared(1, GET);
	idle_leg(0);
	app_conf.app_reuse = APP_REUSE_CLIENT;
	is_fresh();
	assert_int_equal(servers.set[0]->connections, 2);
}

static void nor_for_those_from_before_a_reload(void **state)
{
	static struct generation other;

	(void)state;
	begin_shared(1, GET);
	idle_leg(0);
	doors.generation = &other;
	is_fresh();
	doors.generation = &generation;
}

static void nor_before_there_is_a_request(void **state)
{
	(void)state;
	begin_shared(1, GET);
	idle_leg(0);
	c->state = CONN_IDLE;
	is_fresh();
	c->state = CONN_CONNECT;
}

/* It was lost on one: there may be more of these. */
static void nor_for_the_second_time(void **state)
{
	(void)state;
	begin_shared(1, GET);
	idle_leg(0);
	c->flow.again = true;
	is_fresh();
	c->flow.again = false;
}

static void a_post_needs_a_young_one(void **state)
{
	struct leg *l;

	(void)state;
	begin_shared(1, "POST / HTTP/1.1\r\n");
	l = idle_leg(0);
	set_clock(now() + 1000);
	is_fresh();
	conn_leg_close(c, false);
	assert_int_equal(worker.legs.idle_count, 1);
	l->served_us++;
	choose(KEDGE_REASON_NONE);
	assert_ptr_equal(c->flow.leg, l);
}

static void a_stale_one_is_found(void **state)
{
	(void)state;
	begin_shared(1, GET);
	idle_leg(0);
	idle_leg(0);
	close(far[--far_count]);
	is_fresh();
	assert_int_equal(worker.legs.idle_count, 0);
	assert_int_equal(servers.set[0]->connections, 1);
	assert_int_equal(stats->legs_closed, 2);
}

/* The place that it takes is one for a fresh leg. */
static void one_that_does_not_do_makes_room(void **state)
{
	(void)state;
	begin_shared(2, "POST / HTTP/1.1\r\n");
	app_conf.server_connections_max = 1;
	idle_leg(0);
	idle_leg(1);
	c->tried = 1 << 0;
	set_clock(now() + 1000);
	is_fresh();
	assert_int_equal(c->flow.leg->index, 1);
	assert_int_equal(worker.legs.idle_count, 1); /* that of the server that was tried */
	assert_int_equal(stats->legs_wanted, 1);
	assert_int_equal(servers.set[1]->connections, 1);
}

static void full_is_full(void **state)
{
	(void)state;
	begin_shared(1, GET);
	app_conf.server_connections_max = 1;
	assert_true(server_enter(servers.set[0], 0));
	choose(KEDGE_REASON_app_queue);
	c->tried = 1;
	choose(KEDGE_REASON_app_none);
	server_leave(servers.set[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_of_the_pool),
		TEST(a_fresh_one_if_none_is_idle),
		TEST(not_for_clients_that_do_not_share),
		TEST(nor_for_those_from_before_a_reload),
		TEST(nor_before_there_is_a_request),
		TEST(nor_for_the_second_time),
		TEST(a_post_needs_a_young_one),
		TEST(a_stale_one_is_found),
		TEST(one_that_does_not_do_makes_room),
		TEST(full_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
