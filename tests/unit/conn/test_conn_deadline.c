/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_deadline.c: which deadline a joined connection has, and which of them is the nearest. */
#include "conn/conn_deadline.h"

#include "tests/unit/conn/conn_parts.h"

/* --- a head ----------------------------------------------------------------------------------- */

static void a_head_has_its_time_from_its_first_byte(void **state)
{
	uint64_t begun;

	(void)state;
	joined();
	conn_deadline_set(c, 0, 0);
	assert_int_equal(c->head_ms, 0);
	expect_timer(conf.idle_timeout_ms);
	note.standing = KEDGE_HEAD;
	conn_deadline_set(c, 1, 0);
	begun = now();
	assert_int_equal(c->head_ms, begun);
	expect_timer(conf.head_timeout_ms);
	set_clock(now() + 1000); /* more of the same head gains nothing */
	conn_deadline_set(c, 1, 0);
	assert_int_equal(c->head_ms, begun);
	expect_timer(conf.head_timeout_ms - 1000);
	note.requests = 1; /* the next head */
	conn_deadline_set(c, 1, 0);
	assert_int_equal(c->head_ms, now());
	note.standing = KEDGE_BETWEEN;
	conn_deadline_set(c, 1, 0);
	assert_int_equal(c->head_ms, 0);
}

/* What the application does not take is no fault of the client. */
static void a_head_that_the_application_does_not_take_has_none(void **state)
{
	(void)state;
	joined();
	note.standing = KEDGE_HEAD;
	c->flow.leg->full = true;
	conn_deadline_set(c, 1, 0);
	assert_int_equal(c->head_ms, 0);
}

/* --- a body ----------------------------------------------------------------------------------- */

static void with_body(void)
{
	conf.body_rate_min = 1000;
	joined();
	note.standing = KEDGE_BODY;
	note.requests = 1;
}

static void a_body_must_keep_its_rate(void **state)
{
	(void)state;
	with_body();
	conn_deadline_set(c, 100, 0);
	assert_int_equal(c->body_due_ms, now() + conf.rate_grace_ms);
	set_clock(now() + 1000);
	conn_deadline_set(c, 500, 0); /* half of what a second is worth */
	assert_int_equal(c->body_due_ms, now() + conf.rate_grace_ms - 500);
	conn_deadline_set(c, 100000, 0); /* no credit beyond the grace */
	assert_int_equal(c->body_due_ms, now() + conf.rate_grace_ms);
	assert_int_equal(c->body_rest, 0);
	note.standing = KEDGE_BETWEEN;
	conn_deadline_set(c, 0, 0);
	assert_int_equal(c->body_due_ms, 0);
}

static void without_a_rate_a_body_has_no_deadline(void **state)
{
	(void)state;
	with_body();
	conf.body_rate_min = 0;
	conn_deadline_set(c, 100, 0);
	assert_int_equal(c->body_due_ms, 0);
}

/* Behind its head the client may wait for the application's 100. */
static void a_body_that_is_held_back_has_none_until_it_begins(void **state)
{
	(void)state;
	with_body();
	memcpy(c->flow.tail, "\r\n\r\n", 4);
	conn_deadline_set(c, 100, 0);
	assert_int_equal(c->body_due_ms, 0);
	set_clock(now() + 10000);
	conn_deadline_set(c, 1, 0); /* it has begun */
	assert_int_equal(c->body_due_ms, now() + conf.rate_grace_ms);
	note.requests = 2; /* another one that is held back */
	conn_deadline_set(c, 100, 0);
	assert_int_equal(c->body_due_ms, 0);
	note.requests = 3;
	c->flow.leg->response.done = 2;
	c->flow.leg->response.interim = true; /* the application has said 100 */
	conn_deadline_set(c, 0, 4);
	assert_int_equal(c->body_due_ms, now() + conf.rate_grace_ms);
}

/* However small the pieces, all together are worth the same. */
static void what_bytes_are_worth(void **state)
{
	uint64_t ms = 0;
	uint32_t rest = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		ms += conn_worth_ms(1, 3000, &rest);
	assert_int_equal(ms, 333);
	assert_int_equal(rest, 1000);
	assert_int_equal(conn_worth_ms(2, 3000, &rest), 1);
	assert_int_equal(rest, 0);
	assert_int_equal(conn_worth_ms(0, 1, &rest), 0);
	assert_int_equal(conn_worth_ms(1, UINT32_MAX, &rest), 0);
	assert_int_equal(rest, 1000);
}

/* --- an answer -------------------------------------------------------------------------------- */

static void an_answer_is_awaited_from_the_last_byte_on(void **state)
{
	uint64_t begun;

	(void)state;
	conf.response_timeout_ms = 7000;
	joined();
	conn_deadline_set(c, 0, 0);
	assert_int_equal(c->answer_ms, 0);
	note.requests = 1;
	conn_deadline_set(c, 10, 0);
	begun = now();
	assert_int_equal(c->answer_ms, begun);
	expect_timer(7000);
	set_clock(now() + 100);
	conn_deadline_set(c, 10, 0); /* bytes of the client gain nothing */
	assert_int_equal(c->answer_ms, begun);
	conn_deadline_set(c, 0, 10); /* the application is at work */
	assert_int_equal(c->answer_ms, now());
	conf.response_timeout_ms = 0;
	conn_deadline_set(c, 0, 0);
	assert_int_equal(c->answer_ms, 0);
}

/* --- a response ------------------------------------------------------------------------------- */

static void a_full_client_must_take_something(void **state)
{
	char byte;

	(void)state;
	conf.response_rate_min = 10;
	joined();
	conn_deadline_set(c, 0, 0);
	assert_int_equal(c->take_due_ms, 0);
	assert_int_equal(send(c->client_fd, "x", 1, 0), 1);
	assert_true(net_wait(client, POLLIN, NET_PATIENCE_MS));
	assert_int_equal(recv(client, &byte, 1, 0), 1);
	c->flow.client_full = true;
	conn_deadline_set(c, 0, 0);
	assert_int_equal(c->take_due_ms, now() + conf.rate_grace_ms);
	assert_int_equal(c->take_acked, conn_acknowledged(c));
	assert_true(c->take_acked >= 1);
	set_clock(now() + 1000); /* the same wait goes on */
	conn_deadline_set(c, 0, 0);
	assert_int_equal(c->take_due_ms, now() - 1000 + conf.rate_grace_ms);
	c->flow.client_full = false;
	conn_deadline_set(c, 0, 0);
	assert_int_equal(c->take_due_ms, 0);
}

/* --- the nearest ------------------------------------------------------------------------------ */

static void the_timer_is_set_to_the_nearest(void **state)
{
	(void)state;
	conf.response_timeout_ms = 8000;
	joined();
	conn_deadline_timer(c);
	expect_timer(conf.idle_timeout_ms);
	c->answer_ms = now();
	conn_deadline_timer(c);
	expect_timer(8000);
	c->take_due_ms = now() + 7000;
	conn_deadline_timer(c);
	expect_timer(7000);
	c->body_due_ms = now() + 6000;
	conn_deadline_timer(c);
	expect_timer(6000);
	c->head_ms = now();
	conn_deadline_timer(c);
	expect_timer(conf.head_timeout_ms);
	worker.draining = true;
	conn_deadline_timer(c);
	expect_timer(CONN_DRAIN_LOOK_MS);
	record.look_again = true;
	conn_deadline_timer(c);
	expect_timer(CONN_QUIET_LOOK_MS);
	set_clock(now() + 100000); /* all of them are over */
	conn_deadline_timer(c);
	expect_timer(0);
}

/* A socket that is none says nothing, and nothing fails. */
static void what_tcp_does_not_say_is_nothing(void **state)
{
	int fd;

	(void)state;
	joined();
	fd = c->client_fd;
	c->client_fd = -1;
	assert_int_equal(conn_acknowledged(c), 0);
	c->client_fd = fd;
}

/* What has left for it counts, and not what is kept here. */
static void a_unix_socket_has_taken_what_it_was_given(void **state)
{
	(void)state;
	listener_conf.addr.family = AF_UNIX;
	conf.response_rate_min = 10;
	joined();
	conn_deadline_set(c, 5, 1000);
	assert_int_equal(conn_acknowledged(c), 1000);
	assert_true(residue_keep(&c->flow.down, "0123456789", 10));
	c->flow.down.off = 3;
	assert_int_equal(conn_acknowledged(c), 993);
	c->flow.client_full = true;
	conn_deadline_set(c, 0, 0);
	assert_int_equal(c->take_acked, 993);
	residue_drop(&c->flow.down);
	assert_int_equal(conn_acknowledged(c), 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_unix_socket_has_taken_what_it_was_given),
		TEST(a_head_has_its_time_from_its_first_byte),
		TEST(a_head_that_the_application_does_not_take_has_none),
		TEST(a_body_must_keep_its_rate),
		TEST(without_a_rate_a_body_has_no_deadline),
		TEST(a_body_that_is_held_back_has_none_until_it_begins),
		cmocka_unit_test(what_bytes_are_worth),
		TEST(an_answer_is_awaited_from_the_last_byte_on),
		TEST(a_full_client_must_take_something),
		TEST(the_timer_is_set_to_the_nearest),
		TEST(what_tcp_does_not_say_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
