/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_end.c: the wait for the client's end, and the close. */
#include "tests/unit/conn/conn_parts.h"

#include "conn/conn_end.h"

/* --- LINGER ----------------------------------------------------------------------------------- */

static void lingering_waits_for_the_clients_end(void **state)
{
	(void)state;
	begin(CONN_LINGER);
	app_leg(true);
	fake.drain[0] = 100;
	fake.drain[1] = -EAGAIN;
	expect_stay(conn_linger_enter(c, false));
	expect_timer(conf.linger_timeout_ms);
	assert_string_equal(fake.log, "Edd");
	assert_int_equal(far_end(app), 0); /* in order */
	assert_false(c->again.queued);
	fake.drain[2] = 0;
	expect_next(conn_linger_run(c), CONN_CLOSED);
}

/* The client has all answers that it will get, and the application half a request. */
static void an_incomplete_request_is_reset(void **state)
{
	(void)state;
	begin(CONN_LINGER);
	app_leg(true);
	note.standing = KEDGE_BODY;
	fake.drain[0] = -EAGAIN;
	expect_stay(conn_linger_enter(c, false));
	assert_int_equal(far_end(app), ECONNRESET);
}

static void a_client_that_has_ended_is_not_waited_for(void **state)
{
	(void)state;
	begin(CONN_LINGER);
	c->flow.client_eof = true;
	expect_next(conn_linger_enter(c, false), CONN_CLOSED);
	assert_string_equal(fake.log, "");
}

static void an_error_ends_the_wait(void **state)
{
	(void)state;
	begin(CONN_LINGER);
	fake.drain[0] = -ECONNRESET;
	expect_next(conn_linger_run(c), CONN_CLOSED);
}

/* A joined leg is reset: the application would take half a request for a whole one. */
static void behind_an_alert_our_direction_ends(void **state)
{
	(void)state;
	begin(CONN_LINGER);
	app_leg(true);
	c->flow.up.data = malloc(1);
	c->flow.down.data = malloc(1);
	fake.drain[0] = -EAGAIN;
	expect_stay(conn_linger_enter(c, true));
	assert_int_equal(far_end(client), 0);
	assert_int_equal(far_end(app), ECONNRESET);
	assert_true(c->flow.client_shut);
	assert_null(c->flow.up.data);
	assert_null(c->flow.down.data);
}

/* One that was opened during the handshake has no byte of the client. */
static void a_leg_that_was_not_joined_ends_in_order(void **state)
{
	(void)state;
	begin(CONN_LINGER);
	app_leg(false);
	fake.drain[0] = -EAGAIN;
	expect_stay(conn_linger_enter(c, true));
	assert_int_equal(far_end(app), 0);
}

/* Without a record layer, after a failed handshake: the socket itself is read. */
static void a_socket_without_a_record_layer_is_drained(void **state)
{
	char bytes[1000] = {0};

	(void)state;
	begin(CONN_LINGER);
	c->flow.record = NULL;
	assert_int_equal(send(client, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_true(net_wait(c->client_fd, POLLIN, NET_PATIENCE_MS));
	expect_stay(conn_linger_run(c));
	assert_int_equal(net_queued(c->client_fd), 0);
	shutdown(client, SHUT_WR);
	assert_true(net_wait(c->client_fd, POLLIN, NET_PATIENCE_MS));
	expect_next(conn_linger_run(c), CONN_CLOSED);
}

/* 64 reads, the bytes of two buffers, or a read that lasted: then others have their turn. */
static void a_flood_takes_turns(void **state)
{
	ssize_t most;

	(void)state;
	begin(CONN_LINGER);
	most = (ssize_t)worker.mover.buf_size;
	for (int i = 0; i < 8; i++)
		fake.drain[i] = i < 4 ? most : 1;
	fake.drain[2]--;
	expect_stay(conn_linger_run(c));
	assert_string_equal(fake.log, "dd");
	assert_true(c->again.queued);
	expect_stay(conn_linger_run(c));
	assert_string_equal(fake.log, "ddddd");
	memset(fake.log, 0, sizeof(fake.log));
	expect_stay(conn_linger_run(c));
	assert_int_equal(strlen(fake.log), 64);
	memset(fake.log, 0, sizeof(fake.log));
	record.tired = true;
	expect_stay(conn_linger_run(c));
	assert_string_equal(fake.log, "d");
}

static void lingering_has_an_end(void **state)
{
	(void)state;
	begin(CONN_LINGER);
	for (int i = 0; i < 8; i++)
		fake.drain[i] = -EAGAIN;
	expect_stay(conn_linger_enter(c, false));
	set_clock(now() + conf.linger_timeout_ms - 1);
	expect_stay(conn_linger_expired(c));
	expect_timer(1);
	set_clock(now() + 1);
	expect_next(conn_linger_expired(c), CONN_CLOSED);
}

/* Behind an alert there may be bytes without an event: it looks more often. */
static void behind_an_alert_it_looks_again(void **state)
{
	(void)state;
	begin(CONN_LINGER);
	record.told = true;
	fake.drain[0] = fake.drain[1] = -EAGAIN;
	expect_stay(conn_linger_enter(c, true));
	expect_timer(CONN_QUIET_LOOK_MS);
	set_clock(now() + CONN_QUIET_LOOK_MS);
	expect_stay(conn_linger_expired(c));
	expect_timer(CONN_QUIET_LOOK_MS);
	assert_string_equal(fake.log, "dd");
}

static void a_refused_address_lingers_for_a_second(void **state)
{
	union addr address;

	(void)state;
	begin(CONN_LINGER);
	address = conn_client(c);
	assert_int_equal(sources_refuse(limits.sources, &c->refused_source, &address), 0);
	fake.drain[0] = -EAGAIN;
	expect_stay(conn_linger_enter(c, false));
	expect_timer(1000);
	conf.linger_timeout_ms = 300; /* unless others go sooner */
	fake.drain[1] = -EAGAIN;
	expect_stay(conn_linger_enter(c, false));
	expect_timer(300);
}

/* --- CLOSED ----------------------------------------------------------------------------------- */

static void closes(bool reset)
{
	begin(CONN_LINGER);
	app_leg(true);
	c->flow.down.data = malloc(1);
	loop_timer_set(&worker.loop, &c->timer, 1000);
	c->state = CONN_CLOSED;
	conn_closed_enter(c, reset);
	assert_string_equal(fake.log, "EF");
	assert_int_equal(far_end(client), reset ? ECONNRESET : 0);
	assert_int_equal(far_end(app), reset ? ECONNRESET : 0);
	assert_int_equal(c->timer.due_ms, 0);
	assert_null(c->flow.down.data);
	assert_null(c->flow.record);
	assert_int_equal(c->client_fd, -1);
	assert_null(c->flow.leg);
	assert_int_equal(stats->closed, 1);
	assert_int_equal(service_metrics.closed, 1);
	assert_int_equal(worker.conns_count, 0);
	assert_int_equal(limits.connections, 0);
	assert_int_equal(tally.connections, 0);
	assert_true(LIST_EMPTY(&worker.conns));
	assert_ptr_equal(LIST_FIRST(&worker.graves), c);
	assert_true(worker.bury.queued);
}

static void a_close_in_order(void **state)
{
	(void)state;
	closes(false);
}

static void a_close_by_a_reset(void **state)
{
	(void)state;
	closes(true);
}

/* Its address has room for another then. */
static void a_close_gives_the_place_of_its_address_back(void **state)
{
	struct source *other;
	union addr address;

	(void)state;
	begin(CONN_LINGER);
	address = conn_client(c);
	assert_int_equal(sources_enter(limits.sources, &c->source, &address, 1), 0);
	assert_true(sources_enter(limits.sources, &other, &address, 1) < 0);
	c->state = CONN_CLOSED;
	conn_closed_enter(c, false);
	assert_int_equal(sources_enter(limits.sources, &other, &address, 1), 0);
	sources_leave(limits.sources, other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lingering_waits_for_the_clients_end),
		TEST(an_incomplete_request_is_reset),
		TEST(a_client_that_has_ended_is_not_waited_for),
		TEST(an_error_ends_the_wait),
		TEST(behind_an_alert_our_direction_ends),
		TEST(a_leg_that_was_not_joined_ends_in_order),
		TEST(a_socket_without_a_record_layer_is_drained),
		TEST(a_flood_takes_turns),
		TEST(lingering_has_an_end),
		TEST(behind_an_alert_it_looks_again),
		TEST(a_refused_address_lingers_for_a_second),
		TEST(a_close_in_order),
		TEST(a_close_by_a_reset),
		TEST(a_close_gives_the_place_of_its_address_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
