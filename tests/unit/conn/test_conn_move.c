/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_move.c: what each verdict of the mover means for a connection. */
#include "base/capability_loss.h"
#include "conn/conn_move.h"

#include "tests/unit/conn/conn_parts.h"

static void app_says(const char *text)
{
	assert_int_equal(send(app, text, strlen(text), 0), strlen(text));
	assert_true(net_wait(c->flow.leg->fd, POLLIN, NET_PATIENCE_MS));
	c->flow.leg->in = true;
}

static void app_ends(void)
{
	shutdown(app, SHUT_WR);
	assert_true(net_wait(c->flow.leg->fd, POLLIN, NET_PATIENCE_MS));
	c->flow.leg->in = true;
}

/* Bytes may have come with the handshake, without an event. */
static void moving_begins_with_a_read(void **state)
{
	(void)state;
	joined();
	set_clock(now() + 5000);
	fake.in = GET;
	expect_stay(conn_move_enter(c));
	assert_string_equal(fake.log, "rsr");
	assert_int_equal(c->active_ms, now());
	assert_int_equal(note.requests, 1);
	expect_timer(conf.idle_timeout_ms);
	assert_false(c->again.queued);
}

/* Only bytes count: half a record is none. */
static void what_counts_as_activity(void **state)
{
	uint64_t before;

	(void)state;
	joined();
	set_clock(now() + 1000);
	expect_stay(conn_move_enter(c));
	before = now();
	set_clock(now() + 1000);
	c->flow.client_in = true;
	expect_stay(conn_move_run(c));
	assert_int_equal(c->active_ms, before);
	c->flow.client_in = true;
	fake.in = GET;
	expect_stay(conn_move_run(c));
	assert_int_equal(c->active_ms, before + 1000);
	set_clock(now() + 1000);
	app_says(OK_HI);
	expect_stay(conn_move_run(c));
	assert_int_equal(c->active_ms, before + 2000);
	assert_string_equal(fake.out, OK_HI);
}

static void a_turn_that_is_used_up_goes_on_in_the_next(void **state)
{
	(void)state;
	joined();
	record.tired = true;
	fake.in = GET;
	expect_stay(conn_move_enter(c));
	assert_true(c->again.queued);
	assert_false(record.tired);
	expect_timer(conf.idle_timeout_ms);
}

/* Its queue was read first: it may hold a request that is whole. */
static void a_dead_client_leg_that_is_not_read_on(void **state)
{
	(void)state;
	joined();
	c->client_error = true;
	expect_stay(conn_move_enter(c)); /* read to its end */
	note.standing = KEDGE_WAITING;
	note.requests = 1;
	c->flow.client_in = true;
	expect_reset(conn_move_run(c), KEDGE_REASON_client_reset);
}

static void draining_ends_a_flow_that_has_become_idle(void **state)
{
	(void)state;
	joined();
	worker.draining = true;
	expect_stay(conn_move_enter(c)); /* its first request may be on the way */
	c->flow.client_in = true;
	fake.in = GET;
	expect_stay(conn_move_run(c)); /* it waits for its answer */
	app_says(OK_HI);
	expect(conn_move_run(c), CONN_REPLY, CONN_ORDERLY, KEDGE_REASON_NONE);
}

static void a_flow_that_ends_without_a_request_is_a_health_check(void **state)
{
	(void)state;
	joined();
	fake.in = "";
	app_ends();
	expect(conn_move_enter(c), CONN_LINGER, CONN_ORDERLY, KEDGE_REASON_NONE);
	assert_true(c->flow.client_shut);
	assert_int_equal(stats->health_checks, 1);
}

static void in_mode_tcp_it_is_not(void **state)
{
	(void)state;
	listener_conf.mode = MODE_TCP;
	joined();
	note.standing = KEDGE_TUNNEL;
	response_tunnel(&c->flow.leg->response);
	fake.in = "";
	app_ends();
	expect(conn_move_enter(c), CONN_LINGER, CONN_ORDERLY, KEDGE_REASON_NONE);
	assert_int_equal(stats->health_checks, 0);
}

static void an_application_that_goes_is_told_of(void **state)
{
	(void)state;
	joined();
	fake.in = GET;
	expect_stay(conn_move_enter(c));
	app_ends();
	expect(conn_move_run(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_app_gone);
}

static void a_refused_request_is_answered(void **state)
{
	(void)state;
	joined();
	fake.in = "BAD";
	fake.send = -EPROTO;
	note.standing = KEDGE_REFUSED;
	note.reason = KEDGE_REASON_http_host;
	expect(conn_move_enter(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_http_host);
}

static void a_fault_of_the_record_layer(void **state)
{
	(void)state;
	joined();
	fake.read = -EPROTO;
	record.reason = KEDGE_REASON_record_bad;
	expect_reset(conn_move_enter(c), KEDGE_REASON_record_bad);
	record.told = true; /* by an alert, which a reset would overtake */
	expect(conn_move_run(c), CONN_LINGER, CONN_ALERT, KEDGE_REASON_record_bad);
}

/* Another program took its socket: the next flows are edited in user space. */
static void an_editor_that_is_lost_is_noted(void **state)
{
	(void)state;
	capability_start(CAPABILITY_EDIT, false);
	joined();
	fake.in = GET;
	fake.send = -EIO;
	note.reason = KEDGE_REASON_edit_failed;
	expect_reset(conn_move_enter(c), KEDGE_REASON_edit_failed);
	assert_false(capability_is_lost(CAPABILITY_EDIT));
	fake.in = GET;
	note.reason = KEDGE_REASON_capability_lost;
	expect_reset(conn_move_run(c), KEDGE_REASON_capability_lost);
	assert_true(capability_is_lost(CAPABILITY_EDIT));
	capability_start(CAPABILITY_EDIT, false);
}

static void a_fault_of_the_application_ends_it(void **state)
{
	(void)state;
	joined();
	c->flow.reason = KEDGE_REASON_app_unasked;
	c->flow.client_shut = true;
	expect(conn_move_run(c), CONN_LINGER, CONN_ORDERLY, KEDGE_REASON_app_unasked);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(moving_begins_with_a_read),
		TEST(what_counts_as_activity),
		TEST(a_turn_that_is_used_up_goes_on_in_the_next),
		TEST(a_dead_client_leg_that_is_not_read_on),
		TEST(draining_ends_a_flow_that_has_become_idle),
		TEST(a_flow_that_ends_without_a_request_is_a_health_check),
		TEST(in_mode_tcp_it_is_not),
		TEST(an_application_that_goes_is_told_of),
		TEST(a_refused_request_is_answered),
		TEST(a_fault_of_the_record_layer),
		TEST(an_editor_that_is_lost_is_noted),
		TEST(a_fault_of_the_application_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
