/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection from accept to answer: prefixes, kedge's own answers. With a worker's thread. */
#include "conn_rig.h"

/* --- in order --------------------------------------------------------------------------------- */

static void a_connection_from_accept_to_close(void **state)
{
	int client, leg;

	(void)state;
	start();
	join(&client, &leg);
	close(client);
	hear_end(leg, 0);
	close(leg);
	until(&stats->closed, 1);
	assert_int_equal(stats->accepted, 1);
	assert_int_equal(stats->flows, 1);
	assert_int_equal(stats->flows_plain, 1);
	assert_int_equal(stats->requests_user, 1);
	assert_int_equal(stats->health_checks, 0);
}

static void the_application_closes(void **state)
{
	int client, leg;

	(void)state;
	start();
	join(&client, &leg);
	close(leg);
	hear_end(client, 0);
	close(client);
	until(&stats->closed, 1);
}

static void a_health_check(void **state)
{
	int client;

	(void)state;
	start();
	client = net_connect(port);
	assert_false(net_wait(app, POLLIN, NET_QUIET_MS)); /* the application is left alone */
	close(client);
	until(&stats->health_checks, 1);
}

static void a_health_check_of_a_tls_listener(void **state)
{
	int client;

	(void)state;
	with_tls();
	listener_conf.proxy = PROXY_PREFIX_OPTIONAL;
	start();
	close(net_connect(port));
	until(&stats->health_checks, 1);
	client = net_connect(port);
	say(client, "PROXY TCP4 198.51.100.22 203.0.113.7 35646 443\r\n");
	close(client);
	until(&stats->health_checks, 2);
	until(&stats->closed, 2);
	assert_int_equal(stats->reasons.client_gone, 2);
	assert_int_equal(stats->reasons.tls_client_gone, 0);
}

static void many_that_come_and_go_anyhow(void **state)
{
	int client, leg;

	(void)state;
	start();
	for (unsigned i = 0; i < 200; i++) {
		client = net_connect(port);
		if (i % 5)
			say(client, i % 3 ? GET GET "GET /" : "BAD\r\n\r\n" GET);
		leg = i % 4 && i % 5 ? net_accept(app) : -1;
		if (i % 7 == 0)
			net_close_reset(client);
		if (leg >= 0 && i % 6 == 0)
			net_close_reset(leg);
		else if (leg >= 0)
			close(leg);
		if (i % 7)
			close(client);
		while (i % 4 == 0 && net_wait(app, POLLIN, 0))
			close(net_accept(app));
	}
	close(app);
	app = -1;
	until(&stats->closed, 200);
	assert_int_equal(stats->accepted, 200);
}

/* --- the prefix ------------------------------------------------------------------------------- */

static void the_prefix_names_the_client(void **state)
{
	int client, leg;

	(void)state;
	listener_conf.proxy = PROXY_PREFIX_REQUIRE;
	start();
	client = net_connect(port);
	say(client, "PROXY TCP4 198.51.100.22 203.0.113.7");
	say(client, " 35646 443\r\n" GET);
	leg = net_accept(app);
	hear(leg, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.22\r\n\r\n");
	close(leg);
	close(client);
}

static void prefixes_that_end_the_connection(void **state)
{
	int client;

	(void)state;
	listener_conf.proxy = PROXY_PREFIX_REQUIRE;
	conf.prefix_timeout_ms = 1000;
	start();
	client = net_connect(port);
	say(client, GET);
	hear_end(client, ECONNRESET);
	close(client);
	assert_int_equal(stats->reasons.prefix_missing, 1);
	client = net_connect(port);
	say(client, "PROXY TCP4 x\r\n");
	hear_end(client, ECONNRESET);
	close(client);
	assert_int_equal(stats->reasons.prefix_bad, 1);
	client = net_connect(port);
	say(client, "PROXY TCP4 198");
	hear_end(client, ECONNRESET);
	close(client);
	assert_int_equal(stats->reasons.prefix_timeout, 1);
	client = net_connect(port);
	say(client, "PROXY TCP4 198");
	shutdown(client, SHUT_WR);
	hear_end(client, ECONNRESET);
	close(client);
	assert_int_equal(stats->reasons.prefix_bad, 2);
	close(net_connect(port));
	until(&stats->health_checks, 1);
	assert_false(net_wait(app, POLLIN, 0));
}

/* --- kedge answers itself --------------------------------------------------------------------- */

static void no_application(void **state)
{
	int client;

	(void)state;
	close(app);
	app = -1;
	start();
	client = net_connect(port);
	say(client, GET);
	expect_answer(client, "HTTP/1.1 502 Bad Gateway\r\n", "refused");
	close(client);
	until(&stats->closed, 1);
	assert_int_equal(stats->reasons.app_refused, 1);
}

/*
 * What a client hears that has said this, and nothing of the application. The leg is -1 without
 * one.
 */
static void answered_head(const char *request, const char *status)
{
	char got[512], *blank;
	int client = net_connect(port), leg = -1;

	say(client, request);
	if (app >= 0)
		leg = net_accept(app);
	if (leg >= 0 && strstr(request, "good"))
		close(leg);
	assert_int_equal(hear_out(client, got), 0);
	assert_int_equal(strncmp(got, status, strlen(status)), 0);
	assert_non_null(strstr(got, "\r\nDate: "));
	blank = strstr(got, "\r\n\r\n");
	assert_non_null(blank);
	assert_string_equal(blank + 4, "");
	close(client);
	if (leg >= 0 && !strstr(request, "good"))
		close(leg);
}

/*
 * kedge's own answer to HEAD has no body: whatever is wrong, and wherever the request has got to.
 */
static void an_answer_to_head_has_no_body(void **state)
{
	(void)state;
	conf.head_timeout_ms = 300;
	start();
	answered_head("HEAD /good HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 502 ");
	answered_head("HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ");
	answered_head("HEAD / HTTP/3.0\r\n\r\n", "HTTP/1.1 505 ");
	answered_head("HEAD /\1", "HTTP/1.1 400 ");
	answered_head("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 400 ");
	answered_head("HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx",
		      "HTTP/1.1 400 ");
	answered_head("head / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 501 ");
	close(app);
	app = -1;
	answered_head("HEAD / HTTP/1.1\r\nHos", "HTTP/1.1 408 ");
	answered_head("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 502 ");
	answered_head("\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 502 ");
}

/* Nobody asked, and nobody is answered. */
static void no_application_and_no_request(void **state)
{
	int client;

	(void)state;
	conf.idle_timeout_ms = 200;
	close(app);
	app = -1;
	start();
	client = net_connect(port);
	hear_end(client, 0);
	close(client);
	until(&stats->reasons.idle_timeout, 1);
	client = net_connect(port);
	shutdown(client, SHUT_WR);
	hear_end(client, 0);
	close(client);
	until(&stats->closed, 2);
	assert_int_equal(stats->reasons.app_refused, 0);
	assert_int_equal(stats->responses_own, 0);
}

/* The client is still sending when it is answered: the answer must not be lost in a reset. */
static void a_refused_request_is_answered_and_drained(void **state)
{
	static char more[100000];
	int client, leg;

	(void)state;
	memset(more, 'x', sizeof(more));
	start();
	client = net_connect(port);
	say(client, "GET / HTTP/1.1\r\n\r\n");
	leg = net_accept(app);
	hear_end(leg, ECONNRESET);
	assert_int_equal(send(client, more, sizeof(more), MSG_NOSIGNAL), sizeof(more));
	expect_answer(client, "HTTP/1.1 400 Bad Request\r\n", "Host");
	assert_int_equal(send(client, more, 1000, MSG_NOSIGNAL), 1000);
	close(client);
	until(&stats->closed, 1);
	assert_int_equal(stats->reasons.http_host, 1);
	assert_int_equal(stats->responses_own, 1);
	close(leg);
}

/*
 * A worker's buffer of the shortest requests, and no answer: what is kept of each request that
 * waits for one is not lapped. The checks of this build look after each event.
 */
static void a_buffer_of_the_shortest_requests(void **state)
{
	static char all[128 * 1024 + 1];
	char *at = all;
	int client, leg;

	(void)state;
	start();
	ask(&client, &leg); /* what comes before there is a leg is read in smaller pieces */
	while (at < all + sizeof(all) - 1)
		at = stpcpy(at, "A / HTTP/1.0\r\n\r\n");
	say(client, all);
	poll(NULL, 0, 200); /* it takes what it may */
	assert_true(__atomic_load_n(&stats->requests_user, __ATOMIC_RELAXED) <=
		    KEDGE_PIPELINE_MAX + KEDGE_SEND_HEADS_MAX);
	close(client);
	close(leg);
	until(&stats->closed, 1);
}

static void a_client_that_lingers_is_closed(void **state)
{
	int client;

	(void)state;
	conf.linger_timeout_ms = 200;
	start();
	client = net_connect(port);
	say(client, "GET / HTTP/1.1\r\n\r\n");
	expect_answer(client, "HTTP/1.1 400", "");
	until(&stats->closed, 1);
	close(client);
}

/* The linger time ends while the connection waits for its share of the next turn. */
static void a_client_that_floods_is_closed(void **state)
{
	static char more[1 << 16];
	uint64_t until_ms = net_now_ms() + NET_PATIENCE_MS;
	int client;

	(void)state;
	conf.linger_timeout_ms = 100;
	prepare();
	worker.mover.buf_size = 1024;
	assert_int_equal(worker_start(&worker), 0);
	client = net_connect(port);
	say(client, "GET / HTTP/1.1\r\n\r\n");
	while (send(client, more, sizeof(more), MSG_NOSIGNAL) > 0 || errno == EAGAIN)
		assert_true(net_now_ms() < until_ms);
	until(&stats->closed, 1);
	close(client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_connection_from_accept_to_close),
		TEST(the_application_closes),
		TEST(a_health_check),
		TEST(a_health_check_of_a_tls_listener),
		TEST(many_that_come_and_go_anyhow),
		TEST(the_prefix_names_the_client),
		TEST(prefixes_that_end_the_connection),
		TEST(no_application),
		TEST(an_answer_to_head_has_no_body),
		TEST(no_application_and_no_request),
		TEST(a_refused_request_is_answered_and_drained),
		TEST(a_buffer_of_the_shortest_requests),
		TEST(a_client_that_lingers_is_closed),
		TEST(a_client_that_floods_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
