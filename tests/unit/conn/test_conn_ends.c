/* SPDX-License-Identifier: BSD-2-Clause */
/* conn.c at the end: legs that go while nobody reads from them, draining. */
#include "conn_rig.h"

/* --- a leg goes while nobody reads from it ---------------------------------------------------- */

#define UPGRADE "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n"
#define SWITCH  "HTTP/1.1 101 Switching Protocols\r\n\r\n"

static void join_tunnel(int *client, int *leg, bool answer)
{
	*client = net_connect(port);
	say(*client, UPGRADE "\r\n");
	*leg = net_accept(app);
	hear(*leg, UPGRADE "X-Forwarded-For: 127.0.0.1\r\n\r\n");
	if (!answer)
		return;
	say(*leg, SWITCH);
	hear(*client, SWITCH);
}

static void a_client_reset_while_its_upgrade_waits(void **state)
{
	int client, leg;

	(void)state;
	start();
	join_tunnel(&client, &leg, false);
	net_close_reset(client);
	hear_end(leg, ECONNRESET);
	until(&stats->reasons.client_reset, 1);
	close(leg);
}

static void a_client_reset_while_a_refusal_waits(void **state)
{
	int client, leg;

	(void)state;
	start();
	client = net_connect(port);
	say(client, GET "GET / HTTP/9.0\r\n\r\n");
	leg = net_accept(app);
	hear(leg, SEEN);
	net_close_reset(client);
	hear_end(leg, ECONNRESET);
	until(&stats->reasons.client_reset, 1);
	close(leg);
}

/* Fills the way from one end to the other, which does not read. How much went in. */
static size_t stuff(int fd)
{
	static char bytes[1 << 16];
	size_t sent = 0;
	ssize_t n;

	do {
		n = send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
	} while (n > 0 || net_wait(fd, POLLOUT, 300));
	return sent;
}

static void a_client_reset_while_its_bytes_wait(void **state)
{
	int client, leg;

	(void)state;
	start();
	join_tunnel(&client, &leg, true);
	stuff(client);
	net_close_reset(client);
	until(&stats->closed, 1);
	assert_int_equal(stats->reasons.client_reset, 1);
	close(leg);
}

static void an_application_reset_while_its_bytes_wait(void **state)
{
	int client, leg;

	(void)state;
	start();
	join_tunnel(&client, &leg, true);
	stuff(leg);
	stuff(client);
	net_close_reset(leg);
	close(client);
	until(&stats->closed, 1);
}

/* Both directions of the client leg have ended, its last bytes wait for the application. */
static void a_tunnel_that_ended_in_order_loses_nothing(void **state)
{
	static char got[1 << 16];
	size_t sent, heard = 0;
	int client, leg, size = 4096;

	(void)state;
	start();
	setsockopt(app, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)); /* inherited */
	join_tunnel(&client, &leg, true);
	shutdown(leg, SHUT_WR);
	hear_end(client, 0);
	sent = stuff(client);
	shutdown(client, SHUT_WR);
	while (heard < sent) {
		ssize_t n;

		assert_true(net_wait(leg, POLLIN, NET_PATIENCE_MS));
		n = recv(leg, got, sizeof(got), 0);
		if (n <= 0)
			fail_msg("%s after %zu of %zu bytes", n ? strerror(errno) : "end", heard,
				 sent);
		heard += (size_t)n;
	}
	hear_end(leg, 0);
	close(client);
	close(leg);
	until(&stats->closed, 1);
	assert_int_equal(stats->reasons.client_reset, 0);
}

/*
 * --- the application goes -----------------------------------------------------------------------
 */

/*
 * It served the connection before: most likely its time for an idle one was up. The client repeats.
 */
static void a_kept_connection_ends_without_a_word(void **state)
{
	int client, leg;

	(void)state;
	start();
	for (int reset = 0; reset < 2; reset++) {
		join(&client, &leg);
		say(client, GET);
		hear(leg, SEEN);
		if (reset)
			net_close_reset(leg);
		else
			close(leg);
		hear_end(client, 0);
		close(client);
	}
	until(&stats->closed, 2);
	assert_int_equal(stats->responses_own, 0);
	assert_int_equal(stats->reasons.app_gone, 2);
}

static void a_fresh_connection_is_told(void **state)
{
	char got[512];
	int client, leg;

	(void)state;
	start();
	for (int reset = 0; reset < 2; reset++) {
		ask(&client, &leg);
		say(leg, "HTTP/1.1 103 Early\r\n\r\n");
		hear(client, "HTTP/1.1 103 Early\r\n\r\n");
		if (reset)
			net_close_reset(leg);
		else
			close(leg);
		assert_int_equal(hear_out(client, got), 0);
		assert_non_null(strstr(got, "HTTP/1.1 502 Bad Gateway\r\n"));
		close(client);
	}
	until(&stats->reasons.app_gone, 2);
}

/*
 * --- a client that is late and does not take ----------------------------------------------------
 */

#define BIG (24 << 20)

static char body[BIG], got[BIG];

/* Sends of body[*at..) what goes; false when nothing does. */
static bool send_some(int leg, size_t *at)
{
	ssize_t n = send(leg, body + *at, BIG - *at, MSG_NOSIGNAL);

	*at += n > 0 ? (size_t)n : 0;
	return n > 0;
}

/*
 * The client asks for much, begins another request, and takes nothing until its time for that is
 * long over. What it then takes must be the whole response; only behind it it is told.
 */
static void late_behind_a_response(const char *second)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 25165824\r\n\r\n";
	int client, leg, size = 16384;
	size_t sent = 0, taken = 0;
	char text[512];

	for (size_t i = 0; i < BIG; i++)
		body[i] = (char)('a' + i % 23);
	client = net_connect(port);
	assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	say(client, GET);
	say(client, second);
	leg = net_accept(app);
	hear(leg, SEEN);
	say(leg, head);
	while (sent < BIG && (send_some(leg, &sent) || net_wait(leg, POLLOUT, 1000)))
		;
	hear(client, head);
	while (taken < BIG) {
		ssize_t n;

		assert_true(send_some(leg, &sent) || net_wait(client, POLLIN, NET_PATIENCE_MS));
		n = recv(client, got + taken, BIG - taken, MSG_DONTWAIT);
		assert_int_not_equal(n, 0);
		taken += n > 0 ? (size_t)n : 0;
	}
	assert_memory_equal(got, body, BIG);
	assert_int_equal(hear_out(client, text), 0);
	assert_int_equal(strncmp(text, "HTTP/1.1 408 ", 13), 0);
	close(client);
	close(leg);
}

static void a_late_request_does_not_cut_a_response(void **state)
{
	(void)state;
	conf.head_timeout_ms = 200;
	conf.rate_grace_ms = 200;
	conf.body_rate_min = 1000;
	start();
	late_behind_a_response("GET / HT");
	assert_int_equal(stats->reasons.head_timeout, 1);
	late_behind_a_response("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx");
	assert_int_equal(stats->reasons.body_too_slow, 1);
}

/* The application ends the flow by its last answer, before the 400 can go out. */
static void a_refused_request_is_no_end(void **state)
{
	static const char begun[] = "POST / HTTP/1.1\r\nHost: a\r\n", bad[] = "no field\r\n";
	static const char last[] = "HTTP/1.1 200 OK\r\n\r\nto the end";
	int client, leg;

	(void)state;
	start();
	ask(&client, &leg);
	say(client, begun);
	hear(leg, begun);
	say(client, bad);
	until(&stats->bytes_up, strlen(GET) + strlen(begun) + strlen(bad));
	say(leg, last);
	shutdown(leg, SHUT_WR);
	hear(client, last);
	hear_end(client, 0);
	hear_end(leg, ECONNRESET);
	close(client);
	close(leg);
}

/* --- draining --------------------------------------------------------------------------------- */

static void draining_ends_the_idle_and_waits_for_the_busy(void **state)
{
	int idle, idle_leg, busy, busy_leg;

	(void)state;
	start();
	join(&idle, &idle_leg);
	join(&busy, &busy_leg);
	say(busy, GET);
	hear(busy_leg, SEEN);
	worker_drain(&worker);
	hear_end(idle, 0);
	hear_end(idle_leg, 0);
	close(idle);
	close(idle_leg);
	assert_false(has_ended(0));
	say(busy_leg, OK_HI);
	hear(busy, OK_HI);
	hear_end(busy, 0);
	close(busy);
	close(busy_leg);
	assert_true(has_ended(NET_PATIENCE_MS));
	assert_int_equal(stats->closed, 2);
}

static void draining_has_an_end(void **state)
{
	int client, leg;

	(void)state;
	conf.drain_timeout_ms = 200;
	start();
	join_tunnel(&client, &leg, true);
	worker_drain(&worker);
	hear_end(client, ECONNRESET);
	assert_true(has_ended(NET_PATIENCE_MS));
	assert_int_equal(stats->reasons.drain_deadline, 1);
	close(client);
	close(leg);
}

/* It was answered and has our end: it is nothing that took too long. */
static void draining_counts_only_what_is_under_way(void **state)
{
	int idle, idle_leg;

	(void)state;
	conf.drain_timeout_ms = 200;
	start();
	join(&idle, &idle_leg);
	worker_drain(&worker);
	hear_end(idle, 0);
	assert_true(has_ended(NET_PATIENCE_MS)); /* while the client stays open */
	assert_int_equal(stats->closed, 1);
	assert_int_equal(stats->reasons.drain_deadline, 0);
	close(idle);
	close(idle_leg);
}

/* Connected before the drain, and told so: each is served, however many wait. */
static void draining_serves_who_was_connected(void **state)
{
	enum { MANY = 300 };
	int clients[MANY], leg;

	(void)state;
	listener_conf.proxy = PROXY_PREFIX_REQUIRE;
	prepare();
	for (int i = 0; i < MANY; i++)
		clients[i] = net_connect(port);
	assert_int_equal(worker_start(&worker), 0);
	worker_drain(&worker);
	until(&stats->accepted, MANY);
	for (int i = 0; i < MANY; i++)
		say(clients[i], "PROXY TCP4 198.51.100.22 203.0.113.7 35646 443\r\n" GET);
	for (int i = 0; i < MANY; i++) {
		leg = net_accept(app);
		hear(leg, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.22\r\n\r\n");
		say(leg, OK_HI);
		close(leg);
	}
	for (int i = 0; i < MANY; i++) {
		hear(clients[i], OK_HI);
		hear_end(clients[i], 0);
		close(clients[i]);
	}
	assert_true(has_ended(NET_PATIENCE_MS));
}

/* A balancer's spare connections do not hold up the end. */
static void draining_does_not_wait_for_the_silent(void **state)
{
	int client;

	(void)state;
	listener_conf.proxy = PROXY_PREFIX_REQUIRE;
	start();
	client = net_connect(port);
	until(&stats->accepted, 1);
	worker_drain(&worker);
	assert_true(has_ended(5000));
	hear_end(client, 0);
	assert_int_equal(stats->reasons.prefix_timeout, 0);
	close(client);
}

/*
 * Nor do those of clients that speak TLS, with a prefix and without; one that has begun is waited
 * for.
 */
static void draining_does_not_wait_for_silent_handshakes(void **state)
{
	int silent, prefixed, begun;

	(void)state;
	with_tls();
	listener_conf.proxy = PROXY_PREFIX_OPTIONAL;
	conf.handshake_timeout_ms = 4000;
	start();
	prefixed = net_connect(port);
	say(prefixed, "PROXY TCP4 198.51.100.22 203.0.113.7 35646 443\r\n");
	until(&stats->prefix_v1, 1);
	silent = net_connect(port);
	begun = net_connect(port);
	assert_int_equal(send(begun, "\x16\x03\x01", 3, MSG_NOSIGNAL), 3);
	until(&stats->accepted, 3);
	worker_drain(&worker);
	hear_end(prefixed, 0);
	hear_end(silent, 0);
	assert_false(has_ended(0));
	hear_end(begun, ECONNRESET);
	assert_true(has_ended(NET_PATIENCE_MS));
	assert_int_equal(stats->reasons.tls_handshake_timeout, 1);
	close(silent);
	close(prefixed);
	close(begun);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_client_reset_while_its_upgrade_waits),
		TEST(a_client_reset_while_a_refusal_waits),
		TEST(a_client_reset_while_its_bytes_wait),
		TEST(an_application_reset_while_its_bytes_wait),
		TEST(a_tunnel_that_ended_in_order_loses_nothing),
		TEST(a_kept_connection_ends_without_a_word),
		TEST(a_fresh_connection_is_told),
		TEST(a_late_request_does_not_cut_a_response),
		TEST(a_refused_request_is_no_end),
		TEST(draining_ends_the_idle_and_waits_for_the_busy),
		TEST(draining_has_an_end),
		TEST(draining_counts_only_what_is_under_way),
		TEST(draining_serves_who_was_connected),
		TEST(draining_does_not_wait_for_the_silent),
		TEST(draining_does_not_wait_for_silent_handshakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
