/* SPDX-License-Identifier: BSD-2-Clause */
/* Bodies and responses that are slower than they may be, as the clock runs. */
#include "conn_rig.h"
#include "conn/conn_deadline.h"

#define POST_1000 "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
#define SEEN_1000 \
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n"

/* Some bytes now and then do not help; the application never has the whole request. */
static void a_body_that_drips(void **state)
{
	char got[512];
	int client, leg;

	(void)state;
	conf.body_rate_min = 1000;
	conf.rate_grace_ms = 600;
	start();
	client = net_connect(port);
	say(client, POST_1000);
	leg = net_accept(app);
	hear(leg, SEEN_1000);
	for (int i = 0; i < 100 && !net_wait(client, POLLIN, 50); i++)
		say(client, "x");
	assert_int_equal(hear_out(client, got), 0);
	assert_non_null(strstr(got, "HTTP/1.1 408 Request Timeout\r\n"));
	assert_non_null(strstr(got, "slower"));
	assert_int_equal(hear_out(leg, got), ECONNRESET);
	assert_int_equal(stats->reasons.body_too_slow, 1);
	close(client);
	close(leg);
}

/* Its answer came first. The application must not take what it got of the body for all of it. */
static void a_body_that_stops_behind_its_answer(void **state)
{
	int client, leg;

	(void)state;
	conf.body_rate_min = 1000;
	conf.rate_grace_ms = 200;
	start();
	client = net_connect(port);
	say(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx");
	leg = net_accept(app);
	hear(leg, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nX-Forwarded-For: 127.0.0.1"
		  "\r\n\r\nx");
	say(leg, OK_HI);
	hear(client, OK_HI);
	hear_end(client, 0);
	hear_end(leg, ECONNRESET);
	assert_int_equal(stats->reasons.body_too_slow, 1);
	close(client);
	close(leg);
}

/* Two and a half times the rate, for four times the grace. */
static void a_body_that_is_fast_enough(void **state)
{
	int client, leg;

	(void)state;
	conf.body_rate_min = 100;
	conf.rate_grace_ms = 1000;
	start();
	client = net_connect(port);
	say(client, POST_1000);
	leg = net_accept(app);
	hear(leg, SEEN_1000);
	for (int i = 0; i < 40; i++) {
		poll(NULL, 0, 100);
		say(client, "1234567890123456789012345");
		hear(leg, "1234567890123456789012345");
	}
	say(leg, OK_HI);
	hear(client, OK_HI);
	assert_int_equal(stats->reasons.body_too_slow, 0);
	close(client);
	close(leg);
}

/* Pieces that are worth less than a millisecond each count all the same. */
static void a_body_in_small_pieces(void **state)
{
	uint32_t rest = 0;
	uint64_t ms = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		ms += conn_worth_ms(90, 100000, &rest);
	assert_int_equal(ms, 900);
	for (int i = 0; i < 3000; i++)
		ms += conn_worth_ms(1, 1u << 30, &rest);
	assert_int_equal(ms, 900);
	rest = 0;
	assert_int_equal(conn_worth_ms(1u << 30, 1, &rest), 1000ull << 30);
}

/* A client that waits to be told to go on is not slow: only once it has been told, or has begun. */
static void a_body_that_waits_for_100(void **state)
{
	char got[512];
	int client, leg;

	(void)state;
	conf.body_rate_min = 1000;
	conf.rate_grace_ms = 400;
	start();
	for (int told = 0; told < 2; told++) {
		client = net_connect(port);
		say(client, POST_1000);
		leg = net_accept(app);
		hear(leg, SEEN_1000);
		poll(NULL, 0, 1500);
		assert_int_equal(stats->reasons.body_too_slow, told);
		if (told) {
			say(leg, "HTTP/1.1 100 Continue\r\n\r\n");
			hear(client, "HTTP/1.1 100 Continue\r\n\r\n");
		} else {
			say(client, "x");
		}
		assert_int_equal(hear_out(client, got), 0);
		assert_non_null(strstr(got, "HTTP/1.1 408 Request Timeout\r\n"));
		close(client);
		close(leg);
	}
	/* With a byte behind the head it has begun. */
	client = net_connect(port);
	say(client, POST_1000 "x");
	assert_int_equal(hear_out(client, got), 0);
	assert_non_null(strstr(got, "HTTP/1.1 408 Request Timeout\r\n"));
	close(client);
}

/* The body is there; the application is slow. */
static void a_body_that_the_application_does_not_take(void **state)
{
	static char body[1 << 20];
	int client, leg, small = 4096;

	(void)state;
	conf.body_rate_min = 1000;
	conf.rate_grace_ms = 1000;
	setsockopt(app, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	start();
	client = net_connect(port);
	/* More than all sockets on the way can hold. */
	say(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
	leg = net_accept(app);
	while (net_wait(client, POLLOUT, 200))
		assert_true(send(client, body, sizeof(body), MSG_DONTWAIT | MSG_NOSIGNAL) > 0);
	poll(NULL, 0, 2500);
	assert_int_equal(stats->reasons.body_too_slow, 0);
	assert_false(net_wait(client, POLLIN, 0));
	close(client);
	close(leg);
}

/* A client that does not read, behind an application that has much to say. */
static void a_response_that_is_not_taken(void **state)
{
	static char body[1 << 20];
	int client, leg;
	uint64_t until_ms;

	(void)state;
	conf.response_rate_min = 100000;
	conf.rate_grace_ms = 500;
	start();
	ask(&client, &leg);
	say(leg, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
	until_ms = net_now_ms() + NET_PATIENCE_MS;
	/* A drop at a time, so that something moves all the while. */
	while (!stats->reasons.response_too_slow && net_now_ms() < until_ms) {
		send(leg, body, sizeof(body), MSG_DONTWAIT | MSG_NOSIGNAL);
		recv(client, body, 100, MSG_DONTWAIT);
		poll(NULL, 0, 20);
	}
	assert_int_equal(stats->reasons.response_too_slow, 1);
	until(&stats->closed, 1);
	close(client);
	close(leg);
}

static void a_response_that_is_taken_fast_enough(void **state)
{
	static char body[1 << 20];
	int client, leg;
	uint64_t end;

	(void)state;
	conf.response_rate_min = 100000;
	conf.rate_grace_ms = 500;
	start();
	ask(&client, &leg);
	say(leg, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
	for (end = net_now_ms() + 2500; net_now_ms() < end; poll(NULL, 0, 10)) {
		send(leg, body, sizeof(body), MSG_DONTWAIT | MSG_NOSIGNAL);
		recv(client, body, 100000, MSG_DONTWAIT);
	}
	assert_int_equal(stats->reasons.response_too_slow, 0);
	assert_int_equal(stats->closed, 0);
	close(client);
	close(leg);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_body_that_drips),
		TEST(a_body_that_stops_behind_its_answer),
		TEST(a_body_that_is_fast_enough),
		TEST(a_body_in_small_pieces),
		TEST(a_body_that_waits_for_100),
		TEST(a_body_that_the_application_does_not_take),
		TEST(a_response_that_is_not_taken),
		TEST(a_response_that_is_taken_fast_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
