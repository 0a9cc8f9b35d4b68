/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_late.c: a deadline of a joined connection has come: who is late, and what becomes of it. */
#include "conn/conn_deadline.h"
#include "conn/conn_late.h"

#include "tests/unit/conn/conn_parts.h"
#include "tests/lib/assert_reason.h"

static void nothing_is_late(void **state)
{
	(void)state;
	joined();
	set_clock(now() + conf.idle_timeout_ms - 1);
	expect_stay(conn_move_expired(c));
	expect_timer(1);
	assert_string_equal(fake.log, "");
}

static void draining_ends_what_is_idle(void **state)
{
	(void)state;
	joined();
	worker.draining = true;
	note.standing = KEDGE_HEAD;
	expect_stay(conn_move_expired(c));
	expect_timer(CONN_DRAIN_LOOK_MS);
	note.standing = KEDGE_BETWEEN;
	edit.holds = true; /* the application has not taken all of the request */
	expect_stay(conn_move_expired(c));
	expect_timer(CONN_DRAIN_LOOK_MS);
	edit.holds = false;
	expect(conn_move_expired(c), CONN_REPLY, CONN_ORDERLY, KEDGE_REASON_NONE);
}

/* --- a head ----------------------------------------------------------------------------------- */

static void a_head_is_late(void **state)
{
	(void)state;
	joined();
	note.standing = KEDGE_HEAD;
	c->head_ms = now();
	set_clock(now() + conf.head_timeout_ms - 1);
	expect_stay(conn_move_expired(c));
	set_clock(now() + 1);
	expect(conn_move_expired(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_head_timeout);
}

/* The client is told behind the response that it waits for. */
static void a_head_is_late_behind_a_response(void **state)
{
	(void)state;
	joined();
	note.standing = KEDGE_HEAD;
	note.requests = 1;
	c->head_ms = now();
	set_clock(now() + conf.head_timeout_ms);
	expect_stay(conn_move_expired(c));
	assert_true(c->flow.refused);
	assert_reason(c->flow.reason, KEDGE_REASON_head_timeout);
}

/* A byte of a response is still to come. */
static void in_body(void)
{
	struct response *r = &c->flow.leg->response;

	r->state = RESPONSE_BODY;
	r->left = r->body = r->head.length = 1;
}

/* --- a leg ------------------------------------------------------------------------------------ */

static void a_leg_that_is_idle_for_too_long(void **state)
{
	(void)state;
	conf.app_idle_timeout_ms = 100;
	joined();
	c->flow.reuses = true;
	set_clock(now() + 99);
	expect_stay(conn_move_expired(c));
	expect_timer(1);
	set_clock(now() + 1);
	expect_next(conn_move_expired(c), CONN_IDLE);
	assert_int_equal(stats->legs_idle, 1);
}

static void not_within_a_request(void **state)
{
	(void)state;
	conf.app_idle_timeout_ms = 100;
	joined();
	c->flow.reuses = true;
	note.standing = KEDGE_HEAD;
	set_clock(now() + 100);
	expect_stay(conn_move_expired(c));
	note.standing = KEDGE_BETWEEN;
	note.requests = 1; /* it waits for its answer */
	expect_stay(conn_move_expired(c));
	c->flow.leg->response.done = 1;
	c->flow.reuses = false;
	expect_stay(conn_move_expired(c));
	assert_int_equal(stats->legs_idle, 0);
}

/* --- a body ----------------------------------------------------------------------------------- */

static void body(uint32_t requests, uint32_t done, enum response_state response)
{
	joined();
	note.standing = KEDGE_BODY;
	note.requests = requests;
	c->flow.leg->response.done = done;
	c->flow.leg->response.state = response;
	if (response == RESPONSE_BODY)
		in_body();
	c->body_due_ms = now() + 10;
	expect_stay(conn_move_expired(c));
	set_clock(now() + 10);
}

static void a_body_is_late(void **state)
{
	(void)state;
	body(1, 0, RESPONSE_LINE);
	expect(conn_move_expired(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_body_too_slow);
	assert_true(edit.cut_off);
}

static void a_body_is_late_behind_a_response(void **state)
{
	(void)state;
	body(2, 0, RESPONSE_BODY);
	expect_stay(conn_move_expired(c));
	assert_true(c->flow.refused && edit.cut_off);
}

static void a_body_is_late_within_its_answer(void **state)
{
	(void)state;
	body(1, 0, RESPONSE_BODY);
	expect_reset(conn_move_expired(c), KEDGE_REASON_body_too_slow);
}

static void a_body_is_late_behind_its_answer(void **state)
{
	(void)state;
	body(1, 1, RESPONSE_LINE);
	expect(conn_move_expired(c), CONN_REPLY, CONN_ORDERLY, KEDGE_REASON_body_too_slow);
}

/* --- an answer -------------------------------------------------------------------------------- */

static void an_answer_is_late(void **state)
{
	(void)state;
	conf.response_timeout_ms = 100;
	joined();
	note.requests = 1;
	c->answer_ms = now();
	set_clock(now() + 99);
	expect_stay(conn_move_expired(c));
	set_clock(now() + 1);
	expect(conn_move_expired(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_response_timeout);
}

/* What the client has acknowledged counts, once per grace. */
static void a_response_is_taken_too_slowly(void **state)
{
	char bytes[600] = {0};

	(void)state;
	conf.response_rate_min = 100; /* so 600 bytes in a grace of 6 s */
	joined();
	c->take_acked = conn_acknowledged(c);
	c->take_due_ms = now() + conf.rate_grace_ms;
	assert_int_equal(send(c->client_fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_true(net_wait(client, POLLIN, NET_PATIENCE_MS));
	set_clock(now() + conf.rate_grace_ms);
	expect_stay(conn_move_expired(c));
	assert_int_equal(c->take_due_ms, now() + conf.rate_grace_ms);
	assert_int_equal(send(c->client_fd, bytes, sizeof(bytes) - 1, 0), sizeof(bytes) - 1);
	assert_true(net_wait(client, POLLIN, NET_PATIENCE_MS));
	set_clock(now() + conf.rate_grace_ms);
	expect_reset(conn_move_expired(c), KEDGE_REASON_response_too_slow);
}

/* --- bytes without an event ------------------------------------------------------------------- */

static void a_quiet_client_is_read_once_more(void **state)
{
	(void)state;
	joined();
	record.look_again = true;
	set_clock(now() + CONN_QUIET_LOOK_MS - 1);
	expect_stay(conn_move_expired(c));
	assert_string_equal(fake.log, "");
	set_clock(now() + 1);
	expect_stay(conn_move_expired(c));
	assert_string_equal(fake.log, "r");
	assert_false(record.look_again);
}

/* --- nothing moves ---------------------------------------------------------------------------- */

static void idle(void)
{
	joined();
	set_clock(now() + conf.idle_timeout_ms);
}

static void idle_between_requests(void **state)
{
	(void)state;
	idle();
	edit.holds = true; /* the client has all that is due to it */
	expect(conn_move_expired(c), CONN_REPLY, CONN_ORDERLY, KEDGE_REASON_idle_timeout);
}

static void idle_while_an_answer_is_due(void **state)
{
	(void)state;
	idle();
	note.requests = 1;
	expect(conn_move_expired(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_response_timeout);
}

static void idle_within_a_head(void **state)
{
	(void)state;
	idle();
	note.standing = KEDGE_HEAD;
	expect(conn_move_expired(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_head_timeout);
}

static void idle_within_a_body(void **state)
{
	(void)state;
	idle();
	note.standing = KEDGE_BODY;
	note.requests = 1;
	expect(conn_move_expired(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_body_too_slow);
}

static void idle_within_a_response(void **state)
{
	(void)state;
	idle();
	note.requests = 1;
	in_body();
	expect_reset(conn_move_expired(c), KEDGE_REASON_idle_timeout);
	c->flow.leg->response.state = RESPONSE_LOST; /* nobody knows whether it is whole */
	expect(conn_move_expired(c), CONN_REPLY, CONN_ORDERLY, KEDGE_REASON_idle_timeout);
}

static void idle_in_a_tunnel(void **state)
{
	(void)state;
	idle();
	note.standing = KEDGE_TUNNEL;
	response_tunnel(&c->flow.leg->response);
	expect_reset(conn_move_expired(c), KEDGE_REASON_idle_timeout);
}

/* It takes too little for an event: its socket still holds bytes that it acknowledges. */
static void a_client_that_still_takes_is_not_idle(void **state)
{
	static char bytes[1 << 16];
	ssize_t sent = 0, n, got = 0;

	(void)state;
	idle();
	note.requests = 1;
	in_body();
	while ((n = send(c->client_fd, bytes, sizeof(bytes), 0)) > 0)
		sent += n;
	while (got < sent / 2) {
		assert_true(net_wait(client, POLLIN, NET_PATIENCE_MS));
		n = recv(client, bytes, sizeof(bytes), 0);
		assert_true(n > 0);
		got += n;
		if (send(c->client_fd, bytes, sizeof(bytes), 0) > 0)
			sent += (ssize_t)sizeof(bytes);
	}
	expect_stay(conn_move_expired(c));
	assert_int_equal(c->active_ms, now());
	assert_true(c->idle_acked > 0);
	/* From here on it takes nothing, and its socket still holds bytes. */
	c->idle_acked = conn_acknowledged(c);
	set_clock(now() + conf.idle_timeout_ms);
	expect_reset(conn_move_expired(c), KEDGE_REASON_idle_timeout);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_leg_that_is_idle_for_too_long),
		TEST(not_within_a_request),
		TEST(nothing_is_late),
		TEST(draining_ends_what_is_idle),
		TEST(a_head_is_late),
		TEST(a_head_is_late_behind_a_response),
		TEST(a_body_is_late),
		TEST(a_body_is_late_behind_a_response),
		TEST(a_body_is_late_within_its_answer),
		TEST(a_body_is_late_behind_its_answer),
		TEST(an_answer_is_late),
		TEST(a_response_is_taken_too_slowly),
		TEST(a_quiet_client_is_read_once_more),
		TEST(idle_between_requests),
		TEST(idle_while_an_answer_is_due),
		TEST(idle_within_a_head),
		TEST(idle_within_a_body),
		TEST(idle_within_a_response),
		TEST(idle_in_a_tunnel),
		TEST(a_client_that_still_takes_is_not_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
