/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_queue.c: who waits for a server with room, and whose idle leg is given up for them. */
#include "tests/unit/conn/several_servers.h"

/* One connection to each of two servers, which others have. */
static void begin_full(void)
{
	begin_with(2, 0);
	app_conf.server_connections_max = 1;
	app_conf.queue_max = 2;
	assert_true(server_enter(servers.set[0], 1) && server_enter(servers.set[1], 1));
}

static void free_one(size_t i)
{
	server_leave(servers.set[i]);
}

/* What the timer of the queue does at its time. */
static void look(void)
{
	assert_true(worker.queue_timer.due_ms);
	worker.queue_timer.due_ms = 0;
	worker.queue_timer.expired(&worker.queue_timer);
}

static void it_waits_until_there_is_room(void **state)
{
	(void)state;
	begin_full();
	expect_stay(conn_connect_enter(c));
	assert_int_equal(c->queue, QUEUE_WAITS);
	assert_int_equal(servers.waiting, 1);
	assert_int_equal(stats->connects_queued, 1);
	expect_timer(app_conf.queue_timeout_ms);
	look();
	assert_false(c->again.queued);
	expect_stay(conn_connect_again(c));
	assert_int_equal(c->queue, QUEUE_WAITS);
	assert_int_equal(stats->connects_queued, 1);
	free_one(1);
	look();
	assert_true(c->again.queued);
	set_clock(now() + 300);
	expect_stay(conn_connect_again(c));
	assert_int_equal(c->queue, QUEUE_NONE);
	assert_int_equal(c->flow.leg->index, 1);
	assert_int_equal(servers.waiting, 0);
	expect_timer(conf.connect_timeout_ms); /* it begins now */
	free_one(0);
}

/* The time of the queue goes on from when it came. */
static void but_only_so_long(void **state)
{
	(void)state;
	begin_full();
	expect_stay(conn_connect_enter(c));
	set_clock(now() + 400);
	expect_stay(conn_connect_again(c));
	expect_timer(app_conf.queue_timeout_ms - 400);
	expect(conn_connect_expired(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_app_queue);
	conn_connect_leave(c);
	assert_int_equal(servers.waiting, 0);
	assert_true(TAILQ_EMPTY(&worker.queue));
	free_one(0);
	free_one(1);
}

static void only_so_many(void **state)
{
	(void)state;
	begin_full();
	app_conf.queue_max = 0;
	expect(conn_connect_enter(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_app_queue);
	assert_int_equal(c->queue, QUEUE_NONE);
	assert_int_equal(servers.waiting, 0);
	free_one(0);
	free_one(1);
}

/* There is room, but others have waited for it: perhaps in another worker. */
static void nobody_overtakes(void **state)
{
	(void)state;
	begin_full();
	assert_true(servers_wait(&servers));
	free_one(0);
	expect_stay(conn_connect_enter(c));
	assert_int_equal(c->queue, QUEUE_WAITS);
	assert_int_equal(asked[0], 0);
	expect_stay(conn_connect_again(c)); /* its turn: it waits itself now */
	assert_int_equal(c->flow.leg->index, 0);
	servers_wait_over(&servers);
	free_one(1);
}

static void a_connection_that_ends_waits_no_more(void **state)
{
	(void)state;
	begin_full();
	expect_stay(conn_connect_enter(c));
	assert_int_equal(servers.waiting, 1);
	conn_abort(c, KEDGE_REASON_client_reset);
	assert_int_equal(servers.waiting, 0);
	assert_true(TAILQ_EMPTY(&worker.queue));
	free_one(0);
	free_one(1);
}

/* A server has room, but refuses; then it does not wait for room, but for an application. */
static void a_server_that_refuses_ends_the_wait(void **state)
{
	(void)state;
	begin_full();
	expect_stay(conn_connect_enter(c));
	free_one(0);
	refuses[0] = -ECONNREFUSED;
	expect_stay(conn_connect_again(c)); /* the other one is full still */
	assert_int_equal(c->queue, QUEUE_WAITS);
	free_one(1);
	refuses[1] = -ECONNREFUSED;
	expect(conn_connect_again(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_app_refused);
	assert_int_equal(c->queue, QUEUE_NONE);
	assert_int_equal(servers.waiting, 0);
}

/* --- a place is free -------------------------------------------------------------------------- */

/* Another connection of this worker gives its leg back: nobody waits for a tick of the clock. */
static void a_place_goes_to_the_oldest_at_once(void **state)
{
	struct conn other = {.worker = &worker, .service = &service};

	(void)state;
	begin_full();
	expect_stay(conn_connect_enter(c));
	assert_int_equal(servers.set[1]->rows[0].waits_ms, now());
	conn_queue_leg_closed(&other, servers.set[0]); /* somebody else was faster */
	assert_false(c->again.queued);
	free_one(0);
	conn_queue_leg_closed(&other, servers.set[0]);
	assert_true(c->again.queued);
	expect_stay(conn_connect_again(c));
	assert_int_equal(c->flow.leg->index, 0);
	assert_int_equal(servers.set[1]->rows[0].waits_ms, 0);
	free_one(1);
}

/* Or to another worker, if one of its connections has waited for longer. */
static void the_worker_with_the_oldest_is_called(void **state)
{
	struct conn other = {.worker = &worker, .service = &service};
	struct worker workers[2] = {{.index = 0}, {.index = 1}};
	struct server_row *rows;

	(void)state;
	begin_full();
	shared.workers = workers;
	rows = aligned_alloc(64, 2 * sizeof(*rows));
	assert_non_null(rows);
	memset(rows, 0, 2 * sizeof(*rows));
	free(servers.set[0]->rows);
	servers.set[0]->rows = rows;
	servers.set[0]->rows_count = 2;
	expect_stay(conn_connect_enter(c));
	free_one(0);
	rows[1].waits_ms = now() + 1;
	conn_queue_leg_closed(&other, servers.set[0]);
	assert_true(c->again.queued);
	assert_false(workers[1].queue_asked);
	c->again.queued = false;
	STAILQ_INIT(&worker.loop.tasks);
	rows[1].waits_ms = now() - 1;
	conn_queue_leg_closed(&other, servers.set[0]);
	assert_false(c->again.queued);
	assert_true(workers[1].queue_asked);
	conn_queue_leave(c);
	shared.workers = NULL;
	free_one(1);
}

/* --- idle legs -------------------------------------------------------------------------------- */

static void joined_to_limited(void)
{
	begin_with(1, 0);
	app_conf.server_connections_max = 1;
	app_conf.queue_max = 2;
	c->state = CONN_MOVE;
	app_leg(true);
}

static void an_idle_leg_is_given_up_for_who_waits(void **state)
{
	(void)state;
	joined_to_limited();
	assert_false(conn_queue_note(c, false));
	assert_int_equal(c->queue, QUEUE_IDLE);
	assert_int_equal(servers.set[0]->rows[0].busy, 0);
	assert_true(worker.queue_timer.due_ms);
	look();
	assert_false(c->again.queued); /* nobody waits */
	assert_true(worker.queue_timer.due_ms);
	assert_true(servers_wait(&servers));
	look();
	assert_true(c->again.queued);
	assert_true(conn_queue_note(c, false));
	servers_wait_over(&servers);
	conn_leg_close(c, false);
	assert_int_equal(c->queue, QUEUE_NONE);
	assert_int_equal(servers.set[0]->connections, 0);
}

static void a_busy_one_is_not(void **state)
{
	(void)state;
	joined_to_limited();
	assert_false(conn_queue_note(c, false));
	assert_false(conn_queue_note(c, true));
	assert_int_equal(c->queue, QUEUE_NONE);
	assert_int_equal(servers.set[0]->rows[0].busy, 1);
	assert_true(servers_wait(&servers));
	assert_false(conn_queue_note(c, true));
	servers_wait_over(&servers);
}

/* Without a limit nobody looks for idle legs. */
static void without_a_limit_none_is_kept_in_mind(void **state)
{
	(void)state;
	joined_to_limited();
	app_conf.server_connections_max = 0;
	assert_false(conn_queue_note(c, false));
	assert_int_equal(c->queue, QUEUE_NONE);
	assert_int_equal(worker.queue_timer.due_ms, 0);
}

static void the_operator_wants_the_server_empty(void **state)
{
	(void)state;
	joined_to_limited();
	server_set_admin(servers.set[0], SERVER_DRAIN, now());
	assert_false(conn_queue_note(c, true));
	assert_true(conn_queue_note(c, false));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_waits_until_there_is_room),
		TEST(but_only_so_long),
		TEST(only_so_many),
		TEST(nobody_overtakes),
		TEST(a_connection_that_ends_waits_no_more),
		TEST(a_server_that_refuses_ends_the_wait),
		TEST(a_place_goes_to_the_oldest_at_once),
		TEST(the_worker_with_the_oldest_is_called),
		TEST(an_idle_leg_is_given_up_for_who_waits),
		TEST(a_busy_one_is_not),
		TEST(without_a_limit_none_is_kept_in_mind),
		TEST(the_operator_wants_the_server_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
