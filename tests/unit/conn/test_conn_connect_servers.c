/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_connect.c with several servers: who is tried, how often, and what the client hears. */
#include "tests/unit/conn/several_servers.h"
#include "tests/lib/assert_reason.h"

static void expect_reply(struct conn_verdict v, enum kedge_reason reason)
{
	expect(v, CONN_REPLY, CONN_ANSWER, reason);
	assert_null(c->flow.leg);
	for (size_t i = 0; i < servers.count; i++) {
		assert_int_equal(servers.set[i]->connections, 0);
		assert_int_equal(servers.set[i]->rows[0].busy, 0);
	}
}

/* --- another server --------------------------------------------------------------------------- */

static void a_server_that_refuses_at_once_is_passed_over(void **state)
{
	(void)state;
	begin_with(2, 1);
	refuses[0] = -ECONNREFUSED;
	expect_stay(conn_connect_enter(c));
	assert_int_equal(c->flow.leg->index, 1);
	expect_timer(conf.connect_timeout_ms);
	assert_int_equal(asked[0], 1);
	assert_int_equal(servers.set[0]->rows[0].failed, 1);
	assert_int_equal(servers.set[0]->connections, 0);
	assert_int_equal(servers.set[1]->connections, 1);
	assert_int_equal(stats->connects_again, 1);
	expect_next(conn_connect_event(c, EPOLLOUT), CONN_MOVE);
	assert_int_equal(servers.set[1]->rows[0].legs, 1);
}

static void one_that_refuses_later_too(void **state)
{
	(void)state;
	begin_with(2, 1);
	later[0] = -ECONNREFUSED;
	expect_stay(conn_connect_enter(c));
	set_clock(now() + 70);
	expect_stay(conn_connect_event(c, EPOLLERR | EPOLLHUP));
	assert_int_equal(c->flow.leg->index, 1);
	expect_timer(conf.connect_timeout_ms); /* each has the whole time */
}

static void one_that_is_silent_too(void **state)
{
	(void)state;
	begin_with(2, 1);
	expect_stay(conn_connect_enter(c));
	set_clock(now() + conf.connect_timeout_ms);
	expect_stay(conn_connect_expired(c));
	assert_int_equal(c->flow.leg->index, 1);
	assert_int_equal(servers.set[0]->rows[0].failed, 1);
	set_clock(now() + conf.connect_timeout_ms);
	expect_reply(conn_connect_expired(c), KEDGE_REASON_app_timeout);
}

/* Two are tried, and no more: a client does not wait for all of a dead rack. */
static void two_are_tried(void **state)
{
	unsigned all = 0;

	(void)state;
	begin_with(4, 0);
	for (size_t i = 0; i < SERVERS; i++)
		refuses[i] = -ECONNREFUSED;
	expect_reply(conn_connect_enter(c), KEDGE_REASON_app_refused);
	for (size_t i = 0; i < SERVERS; i++) {
		assert_true(asked[i] <= 1);
		all += asked[i];
	}
	assert_int_equal(all, 2);
}

/* The next request of this client has all of them again. */
static void each_request_begins_anew(void **state)
{
	(void)state;
	begin_with(2, 0);
	refuses[0] = refuses[1] = -ECONNREFUSED;
	expect_reply(conn_connect_enter(c), KEDGE_REASON_app_refused);
	expect_reply(conn_connect_enter(c), KEDGE_REASON_app_refused);
	assert_true(asked[0] == 2 && asked[1] == 2);
}

/* No port is left towards one address; there are others towards another. */
static void a_lack_of_ports_is_of_one_server(void **state)
{
	(void)state;
	begin_with(2, 1);
	refuses[0] = -EADDRNOTAVAIL;
	expect_stay(conn_connect_enter(c));
	assert_int_equal(c->flow.leg->index, 1);
	assert_int_equal(servers.set[0]->rows[0].failed, 0); /* it is fine */
}

/* What kedge itself lacks, another server would lack, too. */
static void a_lack_of_descriptors_is_not(void **state)
{
	(void)state;
	begin_with(2, 0);
	no_sockets = true;
	expect(conn_connect_enter(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_limit_descriptors);
	assert_int_equal(servers.set[0]->rows[0].failed + servers.set[1]->rows[0].failed, 0);
}

static void the_operator_has_taken_all_of_them_out(void **state)
{
	(void)state;
	begin_with(2, 1);
	server_set_admin(servers.set[0], SERVER_DRAIN, now());
	server_set_admin(servers.set[1], SERVER_DOWN, now());
	expect_reply(conn_connect_enter(c), KEDGE_REASON_app_none);
	assert_int_equal(asked[0] + asked[1], 0);
}

/* The one that is left has failed: the client hears that, not that there is none. */
static void or_all_but_one_that_refuses(void **state)
{
	(void)state;
	begin_with(2, 0);
	server_set_admin(servers.set[0], SERVER_DRAIN, now());
	refuses[1] = -ECONNREFUSED;
	expect_reply(conn_connect_enter(c), KEDGE_REASON_app_refused);
}

/* A server that has just ended has connections in its queue, which nobody accepts any more. */
static void one_that_closes_at_once_has_got_nothing(void **state)
{
	(void)state;
	app_conf.send_proxy = SEND_PROXY_V2;
	begin_with(2, 1);
	assert_reason(conn_header_make(c, NULL), KEDGE_REASON_NONE);
	expect_stay(conn_connect_enter(c));
	assert_int_equal(c->flow.leg->index, 0);
	shutdown(c->flow.leg->fd, SHUT_WR); /* the same error as after its reset */
	expect_stay(conn_connect_event(c, EPOLLOUT));
	assert_int_equal(c->flow.leg->index, 1);
	assert_int_equal(servers.set[0]->rows[0].failed, 1);
	assert_int_equal(servers.set[0]->rows[0].legs, 0);
	expect_next(conn_connect_event(c, EPOLLOUT), CONN_MOVE);
	assert_int_equal(servers.set[1]->rows[0].legs, 1);
}

/* It has just lost this request. But if it is the only one that is left, it gets it again. */
static void who_lost_the_request_is_avoided(void **state)
{
	(void)state;
	begin_with(2, 0);
	for (unsigned i = 0; i < 20; i++) {
		c->avoid = 1;
		expect_stay(conn_connect_enter(c));
		assert_int_equal(c->flow.leg->index, 1);
		assert_int_equal(c->avoid, 0);
		conn_leg_close(c, true);
	}
	server_set_admin(servers.set[1], SERVER_DOWN, now());
	c->avoid = 1;
	expect_stay(conn_connect_enter(c));
	assert_int_equal(c->flow.leg->index, 0);
}

/* --- for connect-retry-ms --------------------------------------------------------------------- */

static void an_application_that_restarts_is_waited_for(void **state)
{
	(void)state;
	begin_with(1, 0);
	app_conf.connect_retry_ms = 1000;
	refuses[0] = -ECONNREFUSED;
	expect_stay(conn_connect_enter(c));
	assert_null(c->flow.leg);
	for (unsigned i = 1; i < 5; i++) {
		expect_timer(50);
		set_clock(now() + 50);
		expect_stay(conn_connect_expired(c));
		assert_int_equal(asked[0], i + 1);
	}
	set_clock(now() + 600);
	expect_stay(conn_connect_expired(c));
	expect_timer(200); /* a quarter of the time so far */
	refuses[0] = 0;
	set_clock(now() + 199);
	expect_stay(conn_connect_expired(c));
	assert_non_null(c->flow.leg);
	expect_timer(conf.connect_timeout_ms);
	expect_next(conn_connect_event(c, EPOLLOUT), CONN_MOVE);
}

static void but_no_longer(void **state)
{
	(void)state;
	begin_with(1, 0);
	app_conf.connect_retry_ms = 100;
	refuses[0] = -ECONNREFUSED;
	expect_stay(conn_connect_enter(c));
	set_clock(now() + 50);
	expect_stay(conn_connect_expired(c));
	set_clock(now() + 50);
	expect_reply(conn_connect_expired(c), KEDGE_REASON_app_refused);
}

/* It has failed so often that it is out. But there is no other: all are tried. */
static void a_lone_server_is_never_out(void **state)
{
	(void)state;
	begin_with(1, 0);
	app_conf.connect_retry_ms = 1000;
	refuses[0] = -ECONNREFUSED;
	expect_stay(conn_connect_enter(c));
	for (unsigned i = 0; i < 5; i++) {
		set_clock(now() + 50);
		expect_stay(conn_connect_expired(c));
	}
	assert_false(server_is_up(servers.set[0], now()));
	assert_int_equal(asked[0], 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_server_that_refuses_at_once_is_passed_over),
		TEST(one_that_refuses_later_too),
		TEST(one_that_is_silent_too),
		TEST(two_are_tried),
		TEST(each_request_begins_anew),
		TEST(a_lack_of_ports_is_of_one_server),
		TEST(a_lack_of_descriptors_is_not),
		TEST(the_operator_has_taken_all_of_them_out),
		TEST(or_all_but_one_that_refuses),
		TEST(one_that_closes_at_once_has_got_nothing),
		TEST(who_lost_the_request_is_avoided),
		TEST(an_application_that_restarts_is_waited_for),
		TEST(but_no_longer),
		TEST(a_lone_server_is_never_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
