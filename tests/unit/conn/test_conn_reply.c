/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_reply.c: who is answered by kedge itself, with what, and how that goes out. */
#include "tests/unit/conn/conn_parts.h"

#include "conn/conn_reply.h"

/* --- who gets one ----------------------------------------------------------------------------- */

static void a_reason_with_a_status_is_answered(void **state)
{
	(void)state;
	begin(CONN_CONNECT);
	assert_true(conn_may_answer(c, KEDGE_REASON_limit_address));
	expect(conn_tell(c, KEDGE_REASON_limit_address), CONN_REPLY, CONN_ANSWER,
	       KEDGE_REASON_limit_address);
	/* One without ends the connection in order, and cuts the application's leg. */
	assert_false(conn_may_answer(c, KEDGE_REASON_app_reset));
	expect(conn_tell(c, KEDGE_REASON_app_reset), CONN_REPLY, CONN_CUT, KEDGE_REASON_app_reset);
}

static void in_mode_tcp_nobody_is(void **state)
{
	(void)state;
	listener_conf.mode = MODE_TCP;
	begin(CONN_CONNECT);
	assert_false(conn_may_answer(c, KEDGE_REASON_app_refused));
	expect_reset(conn_tell(c, KEDGE_REASON_app_refused), KEDGE_REASON_app_refused);
}

static void within_a_response_a_reset_tells(void **state)
{
	(void)state;
	begin(CONN_MOVE);
	app_leg(true);
	note.requests = 1;
	expect(conn_tell(c, KEDGE_REASON_response_timeout), CONN_REPLY, CONN_ANSWER,
	       KEDGE_REASON_response_timeout);
	c->flow.leg->response.state = RESPONSE_BODY;
	expect_reset(conn_tell(c, KEDGE_REASON_response_timeout), KEDGE_REASON_response_timeout);
	c->flow.leg->response.state = RESPONSE_LINE;
	c->flow.down.data = malloc(1); /* of a response that the client has not got yet */
	expect_reset(conn_tell(c, KEDGE_REASON_response_timeout), KEDGE_REASON_response_timeout);
}

/* The client repeats its request if it hears nothing; it would not after a 502. */
static void an_application_that_ends_an_idle_connection_is_not_told_of(void **state)
{
	(void)state;
	begin(CONN_MOVE);
	app_leg(true);
	note.requests = 1;
	assert_true(conn_may_answer(c, KEDGE_REASON_app_gone));
	c->flow.leg->response.done = 1;
	note.requests = 2;
	assert_false(conn_may_answer(c, KEDGE_REASON_app_gone));
	expect(conn_tell(c, KEDGE_REASON_app_gone), CONN_REPLY, CONN_CUT, KEDGE_REASON_app_gone);
	assert_true(conn_may_answer(c, KEDGE_REASON_response_timeout));
	c->flow.leg->response.said_close = true; /* the client takes nothing after that response */
	assert_false(conn_may_answer(c, KEDGE_REASON_response_timeout));
}

/* --- REPLY ------------------------------------------------------------------------------------ */

static void an_answer_goes_out_and_our_direction_ends(void **state)
{
	(void)state;
	begin(CONN_REPLY);
	app_leg(false);
	fake.in = GET;
	expect_next(conn_reply_enter(c, CONN_ANSWER, KEDGE_REASON_limit_ports), CONN_LINGER);
	assert_string_equal(fake.log, "rfwc");
	assert_true(c->flow.client_shut);
	assert_int_equal(strncmp(fake.out, "HTTP/1.1 503 ", 13), 0);
	assert_non_null(strstr(fake.out, "source ports"));
	assert_null(c->flow.down.data);
	assert_int_equal(stats->responses_own, 1);
	assert_int_equal(far_end(app), ECONNRESET);
}

static void answers(const char *in, ssize_t err, bool body)
{
	const char *blank;

	memset(&fake, 0, sizeof(fake));
	fake.in = in;
	fake.read = err;
	expect_next(conn_reply_enter(c, CONN_ANSWER, KEDGE_REASON_limit_ports), CONN_LINGER);
	blank = strstr(fake.out, "\r\n\r\n");
	assert_non_null(blank);
	assert_int_equal(blank[4] != '\0', body);
	assert_int_equal(strstr(fake.out, "Content-Length: 0") == NULL, body);
}

/* An unknown request may be a HEAD: its answer has no body. kedge does not wait to know it. */
static void an_answer_has_a_body_if_that_was_asked_for(void **state)
{
	(void)state;
	begin(CONN_REPLY);
	answers(GET, 0, true);
	answers(NULL, 0, false);
	answers("HEAD / HTTP/1.1\r\n", 0, false);
	answers(NULL, -EINTR, false);
	answers("", 0, false);
}

static void behind_a_head_the_length_is_told(void **state)
{
	(void)state;
	begin(CONN_REPLY);
	app_leg(true);
	note.requests = 1;
	note.head_bits[0] = 1;
	expect_next(conn_reply_enter(c, CONN_ANSWER, KEDGE_REASON_response_timeout), CONN_LINGER);
	assert_string_equal(fake.log, "Efwc"); /* nothing is read: the editor knows */
	assert_non_null(strstr(fake.out, "Content-Length: "));
	assert_null(strstr(fake.out, "Content-Length: 0"));
	assert_string_equal(strstr(fake.out, "\r\n\r\n"), "\r\n\r\n");
}

/* The application went before the request could be sent: no editor knows what was asked. */
static void an_answer_to_a_request_that_was_not_sent(void **state)
{
	static const struct {
		const char *first;
		uint32_t requests;
		bool body;
	} cases[] = {{"GET / HTTP/1", 0, true},
		     {"HEAD / HTTP/", 0, false},
		     {"\r\nHEAD / HTT", 0, false},
		     {"HEA", 0, false},
		     {"GET / HTTP/1", 1, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(CONN_REPLY);
		app_leg(true);
		c->flow.unsent = c->flow.leg->write_dead = true;
		note.requests = c->flow.leg->response.done = cases[i].requests;
		c->flow.first_len = (uint8_t)strlen(cases[i].first);
		memcpy(c->flow.first, cases[i].first, c->flow.first_len);
		expect_next(conn_reply_enter(c, CONN_ANSWER, KEDGE_REASON_app_response_bad),
			    CONN_LINGER);
		assert_int_equal(strstr(fake.out, "\r\n\r\n")[4] != '\0', cases[i].body);
		down(state);
		up(state);
	}
}

static void an_end_without_an_answer(void **state)
{
	(void)state;
	begin(CONN_REPLY);
	app_leg(true);
	expect_next(conn_reply_enter(c, CONN_CUT, KEDGE_REASON_app_gone), CONN_LINGER);
	assert_string_equal(fake.log, "Efc");
	assert_int_equal(far_end(app), ECONNRESET);
	assert_int_equal(stats->responses_own, 0);
}

static void an_end_in_order(void **state)
{
	(void)state;
	begin(CONN_REPLY);
	app_leg(true);
	c->flow.down.data = malloc(2); /* of the response: still to go */
	memcpy(c->flow.down.data, "hi", 2);
	c->flow.down.len = 2;
	expect_next(conn_reply_enter(c, CONN_ORDERLY, KEDGE_REASON_NONE), CONN_LINGER);
	assert_string_equal(fake.log, "Efwc");
	assert_string_equal(fake.out, "hi");
	assert_int_equal(far_end(app), 0);
}

static void a_full_socket_is_waited_for(void **state)
{
	(void)state;
	begin(CONN_REPLY);
	fake.in = GET;
	fake.room = 10;
	expect_stay(conn_reply_enter(c, CONN_ANSWER, KEDGE_REASON_limit_ports));
	expect_timer(conf.linger_timeout_ms);
	assert_int_equal(fake.out_len, 10);
	fake.write = 0;
	fake.room = 0;
	fake.flush = -EAGAIN;
	expect_stay(conn_reply_run(c));
	assert_int_equal(fake.out_len, 10);
	fake.flush = 0;
	fake.close = -EAGAIN;
	expect_stay(conn_reply_run(c));
	assert_null(c->flow.down.data);
	assert_false(c->flow.client_shut);
	fake.close = 0;
	expect_next(conn_reply_run(c), CONN_LINGER);
	assert_int_equal(strncmp(fake.out, "HTTP/1.1 503 ", 13), 0);
}

static void a_dead_client_leg_is_reset(void **state)
{
	static const int errors[] = {-EPIPE, -ECONNRESET, -EPROTO};

	(void)state;
	begin(CONN_REPLY);
	for (size_t i = 0; i < 3; i++) {
		fake = (typeof(fake)){.flush = errors[i]};
		expect_reset(conn_reply_run(c), KEDGE_REASON_client_reset);
		fake = (typeof(fake)){.close = errors[i]};
		expect_reset(conn_reply_run(c), KEDGE_REASON_client_reset);
		fake = (typeof(fake)){.write = errors[i], .in = GET};
		expect_reset(conn_reply_enter(c, CONN_ANSWER, KEDGE_REASON_limit_ports),
			     KEDGE_REASON_client_reset);
		mover_forget(&c->flow);
	}
}

/* The client's last bytes came with a record that was refused: a reset would overtake the alert. */
static void an_answer_behind_an_alert(void **state)
{
	(void)state;
	begin(CONN_REPLY);
	fake.in = GET;
	fake.write = -EPIPE;
	record.told = true;
	record.reason = KEDGE_REASON_record_bad;
	expect(conn_reply_enter(c, CONN_ANSWER, KEDGE_REASON_limit_ports), CONN_LINGER, CONN_ALERT,
	       KEDGE_REASON_record_bad);
	mover_forget(&c->flow);
}

/* What counts is what it acknowledges: the socket takes more than a slow client reads. */
static void a_client_that_takes_something_gets_more_time(void **state)
{
	char byte;

	(void)state;
	begin(CONN_REPLY);
	fake.close = -EAGAIN;
	expect_stay(conn_reply_enter(c, CONN_ORDERLY, KEDGE_REASON_NONE));
	assert_int_equal(send(c->client_fd, "x", 1, 0), 1);
	assert_true(net_wait(client, POLLIN, NET_PATIENCE_MS));
	assert_int_equal(recv(client, &byte, 1, 0), 1);
	set_clock(now() + 10);
	expect_stay(conn_reply_expired(c));
	expect_timer(conf.linger_timeout_ms);
	expect_next(conn_reply_expired(c), CONN_CLOSED);
	c->flow.down.data = malloc(1); /* a part of the answer is missing */
	expect_reset(conn_reply_expired(c), KEDGE_REASON_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reason_with_a_status_is_answered),
		TEST(in_mode_tcp_nobody_is),
		TEST(within_a_response_a_reset_tells),
		TEST(an_application_that_ends_an_idle_connection_is_not_told_of),
		TEST(an_answer_goes_out_and_our_direction_ends),
		TEST(an_answer_has_a_body_if_that_was_asked_for),
		TEST(behind_a_head_the_length_is_told),
		TEST(an_answer_to_a_request_that_was_not_sent),
		TEST(an_end_without_an_answer),
		TEST(an_end_in_order),
		TEST(a_full_socket_is_waited_for),
		TEST(a_dead_client_leg_is_reset),
		TEST(an_answer_behind_an_alert),
		TEST(a_client_that_takes_something_gets_more_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
