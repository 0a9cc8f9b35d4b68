/* SPDX-License-Identifier: BSD-2-Clause */
/* The deadlines of a connection, as the clock runs. test_conn_late.c has them by themselves. */
#include "conn_rig.h"

static void a_head_that_is_never_complete(void **state)
{
	int client;

	(void)state;
	conf.head_timeout_ms = 1000;
	start();
	client = net_connect(port);
	say(client, "GET / HTTP/1.1\r\n");
	poll(NULL, 0, 200); /* a drop now and then does not help */
	say(client, "Host: a\r\n");
	expect_answer(client, "HTTP/1.1 408 Request Timeout\r\n", "in time");
	assert_false(net_wait(app, POLLIN, 0)); /* the application has not heard of it */
	assert_int_equal(stats->reasons.head_timeout, 1);
	close(client);
}

/* Every head is complete soon; that the next one has begun each time is no fault. */
static void heads_that_are_cut_anywhere(void **state)
{
	uint64_t end;
	int client, leg;

	(void)state;
	conf.head_timeout_ms = 1000;
	start();
	client = net_connect(port);
	say(client, "GET / HT");
	poll(NULL, 0, 20);
	say(client, "TP/1.1\r\nHost: a\r\n\r\nGET / HT");
	leg = net_accept(app);
	hear(leg, SEEN "GET / HT");
	say(leg, OK_HI);
	hear(client, OK_HI);
	for (end = net_now_ms() + 2500; net_now_ms() < end;) {
		say(client, "TP/1.1\r\nHost: a\r\n\r\nGET / HT");
		hear(leg, "TP/1.1\r\nHost: a\r\nX-Forwarded-For: 127.0.0.1\r\n\r\nGET / HT");
		say(leg, OK_HI);
		hear(client, OK_HI);
		poll(NULL, 0, 20);
	}
	assert_int_equal(stats->reasons.head_timeout, 0);
	close(client);
	close(leg);
}

/* The client has sent whole heads; the application is slow. */
static void heads_that_wait_for_answers(void **state)
{
	char all[8192] = "";
	int client, leg;

	(void)state;
	conf.head_timeout_ms = 300;
	start();
	client = net_connect(port);
	for (int i = 0; i <= KEDGE_PIPELINE_MAX; i++)
		strcat(all, GET);
	strcat(all, "GET / HTTP/1.1\r\n");
	say(client, all);
	leg = net_accept(app);
	until(&stats->requests_user, KEDGE_PIPELINE_MAX + 1);
	say(client, "Host: a\r\n\r\n");
	poll(NULL, 0, 1000);
	assert_int_equal(stats->reasons.head_timeout, 0);
	for (int i = 0; i <= KEDGE_PIPELINE_MAX; i++) {
		hear(leg, SEEN);
		say(leg, OK_HI);
		hear(client, OK_HI);
	}
	hear(leg, SEEN);
	close(client);
	close(leg);
}

static void nothing_moves(void **state)
{
	int client, leg;

	(void)state;
	conf.idle_timeout_ms = 200;
	start();
	join(&client, &leg);
	hear_end(client, 0); /* between requests: in order */
	hear_end(leg, 0);
	close(client);
	close(leg);
	until(&stats->reasons.idle_timeout, 1);
	ask(&client, &leg);
	expect_answer(client, "HTTP/1.1 504 Gateway Timeout\r\n", "in time");
	hear_end(leg, ECONNRESET);
	assert_int_equal(stats->reasons.response_timeout, 1);
	close(client);
	close(leg);
	ask(&client, &leg);
	say(leg, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh");
	hear(client, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh");
	hear_end(client, ECONNRESET); /* bytes are missing */
	assert_int_equal(stats->reasons.idle_timeout, 2);
	close(client);
	close(leg);
	/* The client has not sent all of its request. */
	client = net_connect(port);
	say(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx");
	expect_answer(client, "HTTP/1.1 408 Request Timeout\r\n", "slower");
	close(client);
}

/*
 * From the whole request on, again after an interim response, and for the second as for the first.
 */
static void an_application_that_does_not_answer(void **state)
{
	uint64_t begun;
	int client, leg;

	(void)state;
	conf.response_timeout_ms = 1000;
	start();
	client = net_connect(port);
	say(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1");
	leg = net_accept(app);
	hear(leg, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
		  "X-Forwarded-For: 127.0.0.1\r\n\r\n1");
	poll(NULL, 0, 1500); /* the request is not whole */
	say(client, "2");
	hear(leg, "2");
	say(leg, OK_HI);
	hear(client, OK_HI);
	say(client, GET);
	hear(leg, SEEN);
	for (int i = 0; i < 3; i++) {
		poll(NULL, 0, 500);
		say(leg, "HTTP/1.1 102 P\r\n\r\n");
		hear(client, "HTTP/1.1 102 P\r\n\r\n");
	}
	begun = net_now_ms();
	expect_answer(client, "HTTP/1.1 504 Gateway Timeout\r\n", "in time");
	assert_true(net_now_ms() - begun >= 500);
	assert_int_equal(stats->reasons.response_timeout, 1);
	hear_end(leg, ECONNRESET);
	close(client);
	close(leg);
}

/* A response that has begun may take its time. */
static void an_application_that_answers_slowly(void **state)
{
	int client, leg;

	(void)state;
	conf.response_timeout_ms = 1000;
	start();
	ask(&client, &leg);
	say(leg, "HTTP/1.1 200 OK\r\n");
	poll(NULL, 0, 1500);
	say(leg, "Content-Length: 2\r\n\r\n");
	say(leg, "hi");
	hear(client, OK_HI);
	assert_int_equal(stats->reasons.response_timeout, 0);
	close(client);
	close(leg);
}

/* Everything is in kedge's sockets already; the client takes too little of it for an event. */
static void a_slow_reader_is_not_idle(void **state)
{
	static char body[1 << 20];
	int client, leg, small = 4096, size = 16384;
	uint64_t end;

	(void)state;
	conf.idle_timeout_ms = 400;
	start();
	client = net_connect(port);
	assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	say(client, GET);
	leg = net_accept(app);
	assert_int_equal(setsockopt(leg, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	hear(leg, SEEN);
	say(leg, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
	for (end = net_now_ms() + 200; net_now_ms() < end; poll(NULL, 0, 1))
		send(leg, body, sizeof(body), MSG_DONTWAIT | MSG_NOSIGNAL);
	for (end = net_now_ms() + 2000; net_now_ms() < end; poll(NULL, 0, 10))
		recv(client, body, 4000, MSG_DONTWAIT);
	assert_int_equal(stats->reasons.idle_timeout, 0);
	assert_int_equal(stats->closed, 0);
	until(&stats->reasons.idle_timeout, 1); /* now it takes nothing */
	close(client);
	close(leg);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_head_that_is_never_complete),       TEST(heads_that_are_cut_anywhere),
		TEST(heads_that_wait_for_answers),         TEST(nothing_moves),
		TEST(an_application_that_does_not_answer), TEST(an_application_that_answers_slowly),
		TEST(a_slow_reader_is_not_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
