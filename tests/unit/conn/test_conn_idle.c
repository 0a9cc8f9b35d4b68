/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_idle.c: a client that has asked for nothing yet, or has its answers. */
#include "conn/conn_idle.h"

#include "tests/unit/conn/conn_parts.h"

static void idle(void)
{
	begin(CONN_IDLE);
	conf.app_idle_timeout_ms = 1000;
}

static void the_first_bytes_are_kept_for_a_leg(void **state)
{
	(void)state;
	idle();
	fake.in = GET;
	expect_next(conn_idle_enter(c, false), CONN_CONNECT);
	assert_int_equal(c->flow.up.len, strlen(GET));
	assert_memory_equal(c->flow.up.data, GET, strlen(GET));
	assert_int_equal(stats->bytes_up, strlen(GET));
	assert_int_equal(c->active_ms, now());
}

/* A leg is there for it when it is whole. */
static void a_head_in_parts_waits(void **state)
{
	(void)state;
	idle();
	conf.head_bytes_max = KEDGE_HEAD_BYTES_DEFAULT;
	fake.in = "\r\n";
	expect_stay(conn_idle_enter(c, false));
	expect_timer(conf.idle_timeout_ms); /* an empty line begins nothing */
	c->flow.client_in = true;
	fake.in = "GET / HTTP/1.1\r\nHost";
	expect_stay(conn_idle_run(c));
	expect_timer(conf.head_timeout_ms);
	set_clock(now() + 1000);
	c->flow.client_in = true;
	fake.in = ": a\r\n";
	expect_stay(conn_idle_run(c));
	expect_timer(conf.head_timeout_ms - 1000);
	expect_stay(conn_idle_expired(c)); /* something else was due */
	c->flow.client_in = true;
	fake.in = "\r\nbehind";
	expect_next(conn_idle_run(c), CONN_CONNECT);
	assert_int_equal(c->flow.up.len, 2 + strlen(GET "behind"));
	conn_idle_leave(c);
	assert_null(c->head);
}

/* `how`: what happens to half a head. */
static void half(const char *head)
{
	idle();
	conf.head_bytes_max = KEDGE_HEAD_BYTES_DEFAULT;
	fake.in = head;
	expect_stay(conn_idle_enter(c, false));
	c->flow.client_in = true;
}

static void half_a_head_is_late(void **state)
{
	(void)state;
	half("GET / HT");
	set_clock(now() + conf.head_timeout_ms);
	expect(conn_idle_expired(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_head_timeout);
	conn_idle_leave(c);
}

static void or_the_client_ends_first(void **state)
{
	(void)state;
	half("GET / HT");
	fake.in = "";
	expect_reset(conn_idle_run(c), KEDGE_REASON_client_truncated);
	conn_idle_leave(c);
}

static void an_empty_line_is_no_request(void **state)
{
	(void)state;
	half("\r\n");
	fake.in = "";
	expect(conn_idle_run(c), CONN_REPLY, CONN_ORDERLY, KEDGE_REASON_NONE);
	assert_int_equal(stats->health_checks, 1);
	conn_idle_leave(c);
}

static void nothing_is_waited_for_as_long_as_idle_timeout(void **state)
{
	(void)state;
	idle();
	expect_stay(conn_idle_enter(c, false));
	expect_timer(conf.idle_timeout_ms);
	assert_false(c->flow.client_in);
	expect_stay(conn_idle_run(c)); /* it is not read in vain */
	assert_string_equal(fake.log, "r");
	set_clock(now() + conf.idle_timeout_ms - 1);
	expect_stay(conn_idle_expired(c));
	expect_timer(1);
	set_clock(now() + 1);
	expect(conn_idle_expired(c), CONN_REPLY, CONN_ORDERLY, KEDGE_REASON_idle_timeout);
}

static void a_read_cut_for_its_pace_goes_on_later(void **state)
{
	(void)state;
	idle();
	fake.read = -EINTR;
	expect_stay(conn_idle_enter(c, false));
	assert_true(c->again.queued);
	assert_true(c->flow.client_in);
	STAILQ_INIT(&worker.loop.tasks);
	c->again.queued = false;
}

/* One that never asked is a health check. */
static void the_end(void **state)
{
	(void)state;
	for (uint32_t requests = 0; requests < 2; requests++) {
		idle();
		c->requests = requests;
		fake.in = "";
		expect(conn_idle_enter(c, false), CONN_REPLY, CONN_ORDERLY, KEDGE_REASON_NONE);
		assert_true(c->flow.client_eof);
		assert_int_equal(stats->health_checks, !requests);
		down(state);
		up(state);
	}
}

static void a_fault(void **state)
{
	(void)state;
	idle();
	fake.read = -ECONNRESET;
	expect_reset(conn_idle_enter(c, false), KEDGE_REASON_client_reset);
	record.reason = KEDGE_REASON_record_bad;
	record.told = true; /* by an alert, which a reset would overtake */
	expect(conn_idle_run(c), CONN_LINGER, CONN_ALERT, KEDGE_REASON_record_bad);
}

/* It is told once, in front of what can still be read. */
static void a_dead_client_leg(void **state)
{
	(void)state;
	idle();
	c->client_error = true;
	expect_reset(conn_idle_enter(c, false), KEDGE_REASON_client_reset);
}

/* The end of a response may still be in the record layer. */
static void what_the_record_layer_holds_goes_out(void **state)
{
	(void)state;
	idle();
	c->flow.client_flush = true;
	fake.flush = -EAGAIN;
	expect_stay(conn_idle_run(c));
	assert_string_equal(fake.log, "f");
	assert_true(c->flow.client_flush);
	fake.flush = 0;
	record.answer_due = true; /* that is why nothing was read */
	expect_stay(conn_idle_run(c));
	assert_string_equal(fake.log, "ffr");
	assert_false(c->flow.client_flush);
	c->flow.client_flush = true;
	fake.flush = -EPIPE;
	expect_reset(conn_idle_run(c), KEDGE_REASON_client_reset);
}

/* --- a flow gives its leg up ------------------------------------------------------------------ */

static void a_leg_is_given_up(void **state)
{
	(void)state;
	joined();
	c->state = CONN_IDLE;
	note.requests = 3;
	c->flow.leg->response.done = 3;
	c->head_ms = c->body_due_ms = c->answer_ms = c->take_due_ms = now();
	c->body_index = 3;
	c->body_begun = true;
	c->flow.sent = (struct sent){.data = brief_take(NULL, 8), .size = 8};
	expect_stay(conn_idle_enter(c, true));
	assert_null(c->flow.leg);
	assert_int_equal(far_end(app), 0);
	assert_int_equal(conn_requests(c), 3);
	assert_int_equal(c->responses, 3);
	assert_true(!c->head_ms && !c->body_due_ms && !c->answer_ms && !c->take_due_ms);
	assert_true(!c->body_index && !c->body_begun);
	assert_null(c->flow.sent.data);
	expect_timer(conf.idle_timeout_ms);
	assert_false(c->again.queued);
	assert_string_equal(fake.log,
			    "E"); /* nothing is read: the loop of transitions would not end */
}

static void what_waits_for_the_next_leg_is_not_forgotten(void **state)
{
	(void)state;
	joined();
	c->state = CONN_IDLE;
	assert_true(residue_keep(&c->flow.up, GET, strlen(GET)));
	expect_stay(conn_idle_enter(c, true));
	assert_int_equal(far_end(app), 0); /* they are no part of what it has */
	assert_true(c->again.queued);
	STAILQ_INIT(&worker.loop.tasks);
	c->again.queued = false;
	expect_next(conn_idle_run(c), CONN_CONNECT);
	assert_string_equal(fake.log, "E");
}

static void nor_what_may_be_read(void **state)
{
	(void)state;
	joined();
	c->state = CONN_IDLE;
	c->flow.client_in = true;
	expect_stay(conn_idle_enter(c, true));
	assert_true(c->again.queued);
	STAILQ_INIT(&worker.loop.tasks);
	c->again.queued = false;
}

/* --- deadlines -------------------------------------------------------------------------------- */

static void an_early_leg_is_given_up_sooner(void **state)
{
	(void)state;
	idle();
	app_leg(false);
	c->early = true;
	c->flow.leg->connect_began_us = (now() - 100) * 1000;
	expect_stay(conn_idle_enter(c, false));
	expect_timer(900);
	set_clock(now() + 900);
	expect_stay(conn_idle_expired(c));
	assert_null(c->flow.leg);
	assert_int_equal(far_end(app), 0);
	expect_timer(conf.idle_timeout_ms - 900);
}

static void hidden_bytes_are_looked_for(void **state)
{
	(void)state;
	idle();
	expect_stay(conn_idle_enter(c, false));
	record.look_again = true;
	set_clock(now() + 10);
	expect_stay(conn_idle_expired(c));
	expect_timer(CONN_QUIET_LOOK_MS - 10);
	set_clock(now() + CONN_QUIET_LOOK_MS - 10);
	fake.in = GET;
	expect_next(conn_idle_expired(c), CONN_CONNECT);
	assert_false(record.look_again);
}

/* Its first bytes may be on the way: not for ever. */
static void draining_ends_it(void **state)
{
	(void)state;
	idle();
	worker.draining = true;
	expect_stay(conn_idle_enter(c, false));
	expect_timer(CONN_DRAIN_LOOK_MS);
	expect(conn_idle_expired(c), CONN_REPLY, CONN_ORDERLY, KEDGE_REASON_NONE);
	worker.draining = false;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_bytes_are_kept_for_a_leg),
		TEST(a_head_in_parts_waits),
		TEST(half_a_head_is_late),
		TEST(or_the_client_ends_first),
		TEST(an_empty_line_is_no_request),
		TEST(nothing_is_waited_for_as_long_as_idle_timeout),
		TEST(a_read_cut_for_its_pace_goes_on_later),
		TEST(the_end),
		TEST(a_fault),
		TEST(a_dead_client_leg),
		TEST(what_the_record_layer_holds_goes_out),
		TEST(a_leg_is_given_up),
		TEST(what_waits_for_the_next_leg_is_not_forgotten),
		TEST(nor_what_may_be_read),
		TEST(an_early_leg_is_given_up_sooner),
		TEST(hidden_bytes_are_looked_for),
		TEST(draining_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
