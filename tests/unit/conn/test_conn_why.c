/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_why.c: what the log is told of a connection that failed. */
#include "conn/conn_why.h"
#include <arpa/inet.h>

#include "tests/lib/heard.h"
#include "tests/unit/conn/several_servers.h"

static int why_up(void **state)
{
	heard_begin();
	return up(state);
}

static int why_down(void **state)
{
	int err = down(state);

	heard_end();
	return err;
}

static void say(enum kedge_reason reason)
{
	heard_begin();
	tally.quotas[reason] = (struct log_quota){0};
	conn_why(c, reason);
}

static void the_client_is_named(void **state)
{
	char text[ADDR_TEXT_MAX + 64];
	union addr peer = {0};
	socklen_t len = sizeof(peer);

	(void)state;
	snprintf(listener_conf.name, sizeof(listener_conf.name), "*:80");
	begin(CONN_MOVE);
	assert_int_equal(getpeername(c->client_fd, &peer.sa, &len), 0);
	addr_format(text + sprintf(text, "listener *:80: http_host: client "), &peer);
	say(KEDGE_REASON_http_host);
	assert_heard(text);
	assert_null(strstr(heard, " through "));
	assert_null(strstr(heard, "application"));
	c->state = CONN_IDLE;
}

/* A prefix has told who the client is: the socket's peer is the balancer. */
static void the_balancer_is_named(void **state)
{
	char through[ADDR_TEXT_MAX + 64];
	union addr peer = {0};
	socklen_t len = sizeof(peer);

	(void)state;
	begin(CONN_IDLE);
	assert_int_equal(getpeername(c->client_fd, &peer.sa, &len), 0);
	addr_format(through + sprintf(through, "client 192.0.2.1:4000 through "), &peer);
	c->prefix_bytes = 30;
	c->client.in = (struct sockaddr_in){.sin_family = AF_INET,
					    .sin_port = htons(4000),
					    .sin_addr.s_addr = inet_addr("192.0.2.1")};
	say(KEDGE_REASON_http_host);
	assert_heard(through);
	c->nobody = true;
	say(KEDGE_REASON_http_host);
	assert_heard("unknown client through ");
	c->nobody = false;
	c->client = addr_to_inet(&peer); /* LOCAL: it is the balancer itself */
	say(KEDGE_REASON_http_host);
	assert_null(strstr(heard, " through "));
}

static void the_name_is_given_back_in_the_end(void **state)
{
	(void)state;
	begin(CONN_IDLE);
	c->name = intern_get(&worker.names, "example.com");
	say(KEDGE_REASON_http_host);
	assert_heard(" for \"example.com\": ");
	conn_abort(c, KEDGE_REASON_http_host);
	assert_int_equal(worker.names.count, 0);
}

/* The leg is gone by then: those that were tried last. */
static void the_servers_are_named(void **state)
{
	(void)state;
	begin_with(3, 0);
	say(KEDGE_REASON_app_none);
	assert_heard(", application app: ");
	c->tried = 1 << 0 | 1 << 2;
	say(KEDGE_REASON_app_refused);
	assert_heard("warning: ");
	assert_heard(", application app, server s0, s2: ");
	c->state = CONN_IDLE; /* there, the bits are a pointer */
	c->tried = 0;
	say(KEDGE_REASON_app_refused);
	assert_heard(", application app: ");
}

static void the_server_of_the_leg_is_named(void **state)
{
	(void)state;
	joined();
	say(KEDGE_REASON_app_gone);
	assert_heard(", application app, server server: ");
	say(KEDGE_REASON_http_host);
	assert_null(strstr(heard, "server server"));
}

/* At the level of most, one line. */
static void a_flood_is_one_line(void **state)
{
	(void)state;
	begin(CONN_IDLE);
	heard_begin();
	for (int i = 0; i < 1000; i++)
		conn_why(c, KEDGE_REASON_http_host);
	assert_int_equal(heard_lines, 1);
	conn_why(c, KEDGE_REASON_client_gone);
	assert_int_equal(heard_lines, 1);
	set_clock(now() + 60000);
	conn_why(c, KEDGE_REASON_http_host);
	assert_heard("(999 lines like this were left out)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, why_up, why_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_client_is_named),
		TEST(the_balancer_is_named),
		TEST(the_name_is_given_back_in_the_end),
		TEST(the_servers_are_named),
		TEST(the_server_of_the_leg_is_named),
		TEST(a_flood_is_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
