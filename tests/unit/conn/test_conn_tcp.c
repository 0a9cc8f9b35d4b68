/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A listener in mode tcp: whatever the two ends say to each other, and not a word of kedge's own.
 */
#include "conn_rig.h"

static void start_tcp(void)
{
	listener_conf.mode = MODE_TCP;
	start();
}

static void both(int *client, int *leg)
{
	start_tcp();
	*client = net_connect(port);
	*leg = net_accept(app);
}

static void bytes_go_both_ways_unread(void **state)
{
	int client, leg;

	(void)state;
	both(&client, &leg);
	say(client, GET "\x01\x02 no HTTP");
	hear(leg, GET "\x01\x02 no HTTP");
	say(leg, "+PONG\r\n");
	hear(client, "+PONG\r\n");
	say(leg, "HTTP/1.1 101 Switching Protocols\r\n\r\n"); /* which nobody asked for */
	hear(client, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
	close(client);
	hear_end(leg, 0);
	close(leg);
	until(&stats->closed, 1);
	assert_int_equal(stats->flows, 1);
	assert_int_equal(stats->flows_tcp, 1);
	assert_int_equal(stats->flows_edit_user + stats->flows_edit_kernel, 0);
	assert_int_equal(stats->requests_user + stats->responses + stats->responses_own, 0);
	assert_int_equal(stats->health_checks, 0);
}

static void the_application_may_speak_first(void **state)
{
	int client, leg;

	(void)state;
	both(&client, &leg);
	say(leg, "220 hello\r\n");
	hear(client, "220 hello\r\n");
	close(client);
	close(leg);
	until(&stats->closed, 1);
}

static void each_direction_ends_alone(void **state)
{
	int client, leg;

	(void)state;
	both(&client, &leg);
	say(client, "all I have");
	shutdown(client, SHUT_WR);
	hear(leg, "all I have");
	hear_end(leg, 0);
	say(leg, "an answer");
	hear(client, "an answer");
	close(leg);
	hear_end(client, 0);
	close(client);
	until(&stats->closed, 1);
}

static void so_does_that_of_the_application(void **state)
{
	int client, leg;

	(void)state;
	both(&client, &leg);
	say(leg, "bye");
	shutdown(leg, SHUT_WR);
	hear(client, "bye");
	hear_end(client, 0);
	say(client, "not yet");
	hear(leg, "not yet");
	close(client);
	hear_end(leg, 0);
	close(leg);
	until(&stats->closed, 1);
}

static void a_reset_is_passed_on(void **state)
{
	int client, leg;

	(void)state;
	both(&client, &leg);
	say(client, "a");
	hear(leg, "a");
	net_close_reset(leg);
	hear_end(client, ECONNRESET);
	close(client);
	until(&stats->reasons.app_reset, 1);
}

static void a_dead_application_is_no_answer(void **state)
{
	int client;

	(void)state;
	close(app);
	app = -1;
	start_tcp();
	client = net_connect(port);
	hear_end(client, ECONNRESET);
	close(client);
	until(&stats->reasons.app_refused, 1);
	assert_int_equal(stats->responses_own, 0);
}

static void nor_is_a_limit(void **state)
{
	int first, leg, second;

	(void)state;
	conf.address_connections_max = 1;
	both(&first, &leg);
	second = net_connect(port);
	hear_end(second, ECONNRESET);
	until(&stats->reasons.limit_address, 1);
	assert_int_equal(stats->responses_own, 0);
	close(first);
	close(second);
	close(leg);
}

static void a_client_that_never_speaks_is_not_held_to_a_head(void **state)
{
	int client, leg;

	(void)state;
	conf.head_timeout_ms = 1;
	both(&client, &leg);
	assert_false(net_wait(client, POLLIN, NET_QUIET_MS));
	say(client, "late");
	hear(leg, "late");
	close(client);
	close(leg);
	until(&stats->closed, 1);
}

static void an_idle_one_ends(void **state)
{
	int client, leg;

	(void)state;
	conf.idle_timeout_ms = 50;
	both(&client, &leg);
	hear_end(client, ECONNRESET);
	hear_end(leg, ECONNRESET);
	until(&stats->reasons.idle_timeout, 1);
	close(client);
	close(leg);
}

static void while_kedge_drains_it_goes_on_until_its_end(void **state)
{
	int client, leg;

	(void)state;
	both(&client, &leg);
	say(client, "a");
	hear(leg, "a");
	worker_drain(&worker);
	assert_false(has_ended(1500)); /* it is looked at once a second */
	say(client, "b");
	hear(leg, "b");
	close(client);
	close(leg);
	assert_true(has_ended(NET_PATIENCE_MS));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = {
		T(bytes_go_both_ways_unread),
		T(the_application_may_speak_first),
		T(each_direction_ends_alone),
		T(so_does_that_of_the_application),
		T(a_reset_is_passed_on),
		T(a_dead_application_is_no_answer),
		T(nor_is_a_limit),
		T(a_client_that_never_speaks_is_not_held_to_a_head),
		T(an_idle_one_ends),
		T(while_kedge_drains_it_goes_on_until_its_end),
	};

	return cmocka_run_group_tests_name("conn_tcp", tests, NULL, NULL);
}
