/* SPDX-License-Identifier: BSD-2-Clause */
/* The application is connected to while the TLS handshake still runs, or after it. */
#include "conn_rig.h"

static struct peer peer;

/*
 * Goes on with the handshake until the client has heard the server's flight; it has not answered.
 */
static void hello(int version)
{
	peer_open(&peer, net_connect(port), &(struct peer_opts){.version = version});
	assert_int_equal(SSL_do_handshake(peer.ssl), -1);
	peer_send(&peer, 0, NULL, NULL);
	peer_wait(peer.fd);
	assert_true(peer_receive(&peer) > 0);
}

/* Until the client is done, and one request of it has been answered over `leg`. */
static void finish(int leg)
{
	char got[sizeof(OK_HI)];
	size_t n = 0;

	while (SSL_do_handshake(peer.ssl) != 1) {
		peer_send(&peer, 0, NULL, NULL);
		peer_wait(peer.fd);
		assert_true(peer_receive(&peer) > 0);
	}
	assert_int_equal(SSL_write(peer.ssl, GET, sizeof(GET) - 1), sizeof(GET) - 1);
	peer_send(&peer, 0, NULL, NULL);
	if (leg < 0)
		leg = net_accept(app);
	hear(leg, listener_conf.mode == MODE_TCP ? GET : SEEN);
	say(leg, OK_HI);
	while (n < sizeof(OK_HI) - 1) {
		int r = SSL_read(peer.ssl, got + n, (int)(sizeof(got) - n));

		n += r > 0 ? (size_t)r : 0;
		if (r <= 0) {
			peer_wait(peer.fd);
			assert_true(peer_receive(&peer) > 0);
		}
	}
	assert_memory_equal(got, OK_HI, n);
	close(leg);
}

/* The leg of a client that has said hello, and no more. */
static int early_leg(int version)
{
	with_tls();
	conf.connect_early = true;
	start();
	hello(version);
	return net_accept(app);
}

static void is_there_before_the_handshake_is_over(int version)
{
	int leg = early_leg(version);

	assert_int_equal(stats->flows, 0);
	finish(leg);
	until(&stats->flows, 1);
	/* It is the one and only. */
	assert_false(net_wait(app, POLLIN, NET_QUIET_MS));
	peer_close(&peer);
}

static void the_application_is_there_before_a_handshake_of_tls_1_3_is_over(void **state)
{
	(void)state;
	is_there_before_the_handshake_is_over(TLS1_3_VERSION);
}

static void the_application_is_there_before_a_handshake_of_tls_1_2_is_over(void **state)
{
	(void)state;
	is_there_before_the_handshake_is_over(TLS1_2_VERSION);
}

static void or_not_before_it_is_over(void **state)
{
	(void)state;
	with_tls();
	start();
	hello(0);
	assert_false(net_wait(app, POLLIN, NET_QUIET_MS));
	finish(-1);
	peer_close(&peer);
}

static void nor_is_an_application_that_may_speak_first(void **state)
{
	listener_conf.mode = MODE_TCP;
	conf.connect_early = true;
	or_not_before_it_is_over(state);
}

static void nobody_is_connected_to_for_half_a_hello(void **state)
{
	int client;

	(void)state;
	with_tls();
	conf.connect_early = true;
	start();
	client = net_connect(port);
	assert_int_equal(send(client, "\x16\x03\x01\x00\xc8\x01", 6, MSG_NOSIGNAL), 6);
	assert_false(net_wait(app, POLLIN, NET_QUIET_MS));
	close(client);
}

static void a_leg_that_the_application_gave_up_is_replaced(void **state)
{
	int leg = early_leg(0);

	(void)state;
	assert_int_equal(shutdown(leg, SHUT_WR), 0);
	hear_end(leg, ECONNRESET); /* kedge has seen it and dropped its own end */
	close(leg);
	finish(-1);
	until(&stats->flows, 1);
	assert_int_equal(stats->reasons.app_gone, 0);
	peer_close(&peer);
}

static void an_application_that_comes_up_in_time_is_found(void **state)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t len = sizeof(in);
	int one = 1;

	(void)state;
	with_tls();
	conf.connect_early = true;
	assert_int_equal(getsockname(app, (struct sockaddr *)&in, &len), 0);
	close(app);
	start();
	hello(0);
	app = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(app, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(app, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(app, 8), 0);
	finish(-1);
	assert_int_equal(stats->reasons.app_refused, 0);
	peer_close(&peer);
}

static void a_client_that_gives_up_takes_the_leg_with_it(void **state)
{
	int leg = early_leg(0);

	(void)state;
	peer_close(&peer);
	hear_end(leg, 0);
	close(leg);
	until(&stats->closed, 1);
	assert_int_equal(stats->flows, 0);
}

/* Also in the family of the new address; a connection that is there stays. */
static void a_server_whose_name_has_moved_is_found_there(void **state)
{
	union addr to = {.in6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback}};
	int there = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int client, before, other, leg;
	socklen_t len = sizeof(to);

	(void)state;
	if (there < 0 || bind(there, &to.sa, sizeof(to.in6)) < 0)
		skip(); /* a host without IPv6 */
	assert_int_equal(listen(there, 8), 0);
	assert_int_equal(getsockname(there, &to.sa, &len), 0);
	start();
	join(&client, &before);
	server_set_addr(servers.set[0], &to);
	other = net_connect(port);
	say(other, GET);
	assert_true(net_wait(there, POLLIN, NET_PATIENCE_MS));
	leg = net_accept(there);
	hear(leg, SEEN);
	say(leg, OK_HI);
	assert_false(net_wait(app, POLLIN, NET_QUIET_MS));
	close(leg);
	close(other);
	close(before);
	close(client);
	close(there);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_application_is_there_before_a_handshake_of_tls_1_3_is_over),
		TEST(the_application_is_there_before_a_handshake_of_tls_1_2_is_over),
		TEST(or_not_before_it_is_over),
		TEST(nor_is_an_application_that_may_speak_first),
		TEST(nobody_is_connected_to_for_half_a_hello),
		TEST(a_leg_that_the_application_gave_up_is_replaced),
		TEST(an_application_that_comes_up_in_time_is_found),
		TEST(a_client_that_gives_up_takes_the_leg_with_it),
		TEST(a_server_whose_name_has_moved_is_found_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
