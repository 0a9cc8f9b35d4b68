/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_open.c: the PROXY prefix, the client's address, the TLS handshake. */
#include "conn/conn_open.h"
#include "tls/tls.h"

#include "tests/lib/tls_peer.h"
#include "tests/unit/conn/conn_parts.h"

#define V1 "PROXY TCP4 198.51.100.22 203.0.113.7 35646 443\r\n"

static void client_says(const void *bytes, size_t n)
{
	assert_int_equal(send(client, bytes, n, 0), n);
	assert_true(net_wait(c->client_fd, POLLIN, NET_PATIENCE_MS));
}

/* --- the prefix ------------------------------------------------------------------------------- */

static void a_prefix_has_its_time(void **state)
{
	(void)state;
	accept_one();
	expect_stay(conn_prefix_enter(c));
	expect_timer(conf.prefix_timeout_ms);
	expect_stay(conn_prefix_run(c, 0)); /* nothing has come */
	expect_reset(conn_prefix_expired(c), KEDGE_REASON_prefix_timeout);
	worker.draining = true; /* it got no more than a look */
	expect_next(conn_prefix_expired(c), CONN_CLOSED);
}

static void a_prefix_names_the_client(void **state)
{
	char text[ADDR_TEXT_MAX];
	union addr address;

	(void)state;
	accept_one();
	client_says(V1 "GET", strlen(V1) + 3);
	expect_next(conn_prefix_run(c, EPOLLIN), CONN_IDLE);
	address = conn_client(c);
	addr_format(text, &address);
	assert_string_equal(text, "198.51.100.22:35646");
	assert_int_equal(c->port, 443);
	assert_int_equal(c->prefix_bytes, strlen(V1));
	assert_int_equal(net_queued(c->client_fd), 3); /* what is behind it stays */
	assert_int_equal(stats->prefix_v1, 1);
	assert_false(c->nobody);
	assert_non_null(c->flow.record);
}

static void nobody_knows_the_client(const void *bytes, size_t n, bool nobody)
{
	union addr_inet before;

	accept_one();
	before = c->client;
	client_says(bytes, n);
	expect_next(conn_prefix_run(c, EPOLLIN), CONN_IDLE);
	assert_memory_equal(&c->client, &before, sizeof(before));
	assert_int_equal(c->nobody, nobody);
	assert_int_equal(stats->prefix_local, 1);
}

static void a_prefix_of_an_unknown_client(void **state)
{
	(void)state;
	nobody_knows_the_client("PROXY UNKNOWN\r\n", 15, true);
}

/* A balancer's own connection: its address is the client's. */
static void a_prefix_of_the_balancer_itself(void **state)
{
	(void)state;
	nobody_knows_the_client("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16, false);
	assert_int_equal(stats->prefix_v2, 1);
}

static void a_prefix_that_is_not_whole_is_waited_for(void **state)
{
	(void)state;
	accept_one();
	client_says(V1, 20);
	expect_stay(conn_prefix_run(c, EPOLLIN));
	assert_int_equal(net_queued(c->client_fd), 20);
	expect_reset(conn_prefix_run(c, EPOLLIN | EPOLLRDHUP), KEDGE_REASON_prefix_bad);
}

static void a_prefix_that_is_none(void **state)
{
	(void)state;
	accept_one();
	client_says(GET, strlen(GET));
	expect_reset(conn_prefix_run(c, EPOLLIN), KEDGE_REASON_prefix_missing);
	listener_conf.proxy = PROXY_PREFIX_OPTIONAL;
	expect_next(conn_prefix_run(c, EPOLLIN), CONN_IDLE);
	assert_int_equal(net_queued(c->client_fd), strlen(GET));
}

static void a_prefix_that_is_malformed(void **state)
{
	(void)state;
	accept_one();
	client_says("PROXY TCP9 x\r\n", 14);
	expect_reset(conn_prefix_run(c, EPOLLIN), KEDGE_REASON_prefix_bad);
	c->trusted = false; /* whatever it says */
	expect_reset(conn_prefix_run(c, EPOLLIN), KEDGE_REASON_prefix_forbidden);
}

static void a_client_that_says_nothing_is_a_health_check(void **state)
{
	(void)state;
	accept_one();
	shutdown(client, SHUT_WR);
	assert_true(net_wait(c->client_fd, POLLIN, NET_PATIENCE_MS));
	expect_reset(conn_prefix_run(c, EPOLLIN | EPOLLRDHUP), KEDGE_REASON_client_gone);
	assert_int_equal(stats->health_checks, 1);
}

/* --- the client's address --------------------------------------------------------------------- */

/* Without TLS it can be told so. */
static void an_address_with_too_many(void **state)
{
	struct source *first;
	union addr address;

	(void)state;
	conf.address_connections_max = 1;
	accept_one();
	address = conn_client(c);
	assert_int_equal(sources_enter(limits.sources, &first, &address, 1), 0);
	expect(conn_client_known(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_limit_address);
	assert_non_null(c->refused_source);
	sources_leave(limits.sources, first);
}

static void an_address_with_too_many_in_mode_tcp(void **state)
{
	struct source *first;
	union addr address;

	(void)state;
	listener_conf.mode = MODE_TCP;
	conf.address_connections_max = 1;
	accept_one();
	address = conn_client(c);
	assert_int_equal(sources_enter(limits.sources, &first, &address, 1), 0);
	expect_reset(conn_client_known(c), KEDGE_REASON_limit_address);
	sources_leave(limits.sources, first);
}

static void an_address_with_room(void **state)
{
	(void)state;
	conf.address_connections_max = 1;
	accept_one();
	expect_next(conn_client_known(c), CONN_IDLE);
	assert_non_null(c->source);
}

/* --- the handshake ---------------------------------------------------------------------------- */

static void with_tls(void)
{
	static struct peer_cert files;
	static struct conf_cert cert = {.cert = files.cert, .key = files.key};

	if (!files.cert[0])
		peer_cert_make(&files, "open", PEER_EC, "localhost", 1);
	listener_conf.tls = true;
	conf.record = POLICY_OFF;
	assert_int_equal(tls_shared_init(&generation.tls, &conf, &(struct ktls_caps){0}), 0);
	assert_int_equal(tls_ctx_new(&service.tls,
				     &(struct tls_offer){.certs = &cert, .certs_count = 1},
				     &generation.tls),
			 0);
}

/* In HANDSHAKE, on a TLS listener. */
static void handshake(void)
{
	with_tls();
	accept_one();
	expect_next(conn_client_known(c), CONN_HANDSHAKE);
	assert_null(c->flow.record);
	c->state = CONN_HANDSHAKE;
	expect_stay(conn_handshake_enter(c, false));
}

static int down_tls(void **state)
{
	struct tls_ctx *ctx = service.tls;
	int r = down(state);

	tls_ctx_free(ctx);
	tls_shared_wipe(&generation.tls);
	return r;
}

static void a_handshake_has_its_time(void **state)
{
	(void)state;
	handshake();
	expect_timer(conf.handshake_timeout_ms);
	assert_true(c->handshaking);
	assert_int_equal(limits.handshakes, 1);
	set_clock(now() + conf.handshake_timeout_ms - 1);
	expect_stay(conn_handshake_expired(c));
	expect_timer(1);
	set_clock(now() + 1);
	expect_reset(conn_handshake_expired(c), KEDGE_REASON_tls_handshake_timeout);
	conn_handshake_leave(c);
	assert_int_equal(limits.handshakes, 0);
	assert_null(c->tls);
	conn_handshake_leave(c); /* nothing is given back twice */
	assert_int_equal(limits.handshakes, 0);
}

/* A client that has sent nothing is not waited for; one that has begun is. */
static void draining_looks_earlier(void **state)
{
	(void)state;
	worker.draining = true;
	handshake();
	expect_timer(CONN_DRAIN_LOOK_MS);
	client_says("\x16\x03\x01", 3);
	expect_stay(conn_handshake_expired(c));
	c->prefix_bytes = 3; /* as if these had been a prefix */
	expect_next(conn_handshake_expired(c), CONN_CLOSED);
}

static void too_many_handshakes(void **state)
{
	(void)state;
	with_tls();
	conf.handshakes_max = 1;
	limits.handshakes = 1;
	accept_one();
	expect_reset(conn_handshake_enter(c, false), KEDGE_REASON_limit_handshakes);
	conn_handshake_leave(c); /* it was not counted */
	assert_int_equal(limits.handshakes, 1);
}

/* There is no event for what came with the prefix. */
static void bytes_that_came_before_are_read(void **state)
{
	(void)state;
	with_tls();
	accept_one();
	client_says("GET / HTTP/1.1\r\n", 16);
	c->state = CONN_HANDSHAKE;
	expect(conn_handshake_enter(c, true), CONN_LINGER, CONN_ALERT, KEDGE_REASON_tls_plain_http);
}

static void what_is_not_tls(void **state)
{
	(void)state;
	handshake();
	client_says(V1, strlen(V1));
	expect(conn_handshake_run(c), CONN_LINGER, CONN_ALERT, KEDGE_REASON_prefix_unexpected);
}

static void a_client_that_goes(void **state)
{
	(void)state;
	handshake();
	expect_stay(conn_handshake_run(c));
	shutdown(client, SHUT_WR);
	assert_true(net_wait(c->client_fd, POLLIN, NET_PATIENCE_MS));
	expect_reset(conn_handshake_run(c), KEDGE_REASON_client_gone);
	assert_int_equal(stats->health_checks, 1);
}

/* The same over a unix socket, which does not count bytes: after these the client goes. */
static void goes_over_a_unix_socket(const char *hello, size_t len)
{
	int pair[2];

	handshake();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(dup2(pair[0], c->client_fd), c->client_fd);
	close(pair[0]);
	assert_int_equal(send(pair[1], hello, len, 0), (ssize_t)len);
	expect_stay(conn_handshake_run(c));
	close(pair[1]);
}

static void a_client_of_a_unix_socket_that_goes(void **state)
{
	(void)state;
	goes_over_a_unix_socket("", 0);
	expect_reset(conn_handshake_run(c), KEDGE_REASON_client_gone);
	assert_int_equal(stats->health_checks, 1);
}

static void or_within_its_hello(void **state)
{
	(void)state;
	goes_over_a_unix_socket("\x16\x03\x01\x00\xc8\x01", 6);
	expect(conn_handshake_run(c), CONN_LINGER, CONN_ALERT, KEDGE_REASON_tls_client_gone);
	assert_int_equal(stats->health_checks, 0);
}

static void a_client_that_goes_within_its_hello(void **state)
{
	(void)state;
	handshake();
	client_says("\x16\x03\x01\x00\xc8\x01", 6);
	expect_stay(conn_handshake_run(c));
	shutdown(client, SHUT_WR);
	assert_true(net_wait(c->client_fd, POLLIN, NET_PATIENCE_MS));
	expect(conn_handshake_run(c), CONN_LINGER, CONN_ALERT, KEDGE_REASON_tls_client_gone);
	assert_int_equal(stats->health_checks, 0);
}

/* All of a handshake. `early`: connect-early is on when the client's last flight is there. */
static void shake_hands(struct peer *p, bool early)
{
	struct conn_verdict v = {.next = CONN_STAY};

	handshake();
	peer_open(p, client, &(struct peer_opts){.version = TLS1_3_VERSION});
	client = -1;
	while (v.next == CONN_STAY) {
		conf.connect_early = SSL_do_handshake(p->ssl) == 1 && early;
		peer_send(p, 0, NULL, NULL);
		assert_true(net_wait(c->client_fd, POLLIN, NET_PATIENCE_MS));
		v = conn_handshake_run(c);
		peer_wait(p->fd);
		peer_receive(p);
	}
	expect_next(v, CONN_IDLE);
}

/* As a client that is so fast that kedge never has to wait for it. */
static void an_early_leg_without_a_wait(void **state)
{
	struct peer p;

	(void)state;
	shake_hands(&p, true);
	assert_non_null(c->flow.leg);
	assert_true(net_wait(listener, POLLIN, NET_PATIENCE_MS));
	peer_close(&p);
}

static void a_handshake_that_succeeds(void **state)
{
	struct peer p;

	(void)state;
	shake_hands(&p, false);
	assert_null(c->flow.leg);
	assert_null(c->tls);
	assert_non_null(c->flow.record);
	assert_int_equal(c->tls_version, VERSION_TLS13);
	assert_int_equal(stats->handshakes_tls13, 1);
	assert_int_equal(stats->handoffs, 0);
	assert_int_equal(service_metrics.handshakes, 1);
	peer_close(&p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)
#define TLS(name)  cmocka_unit_test_setup_teardown(name, up, down_tls)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_prefix_has_its_time),
		TEST(a_prefix_names_the_client),
		TEST(a_prefix_of_an_unknown_client),
		TEST(a_prefix_of_the_balancer_itself),
		TEST(a_prefix_that_is_not_whole_is_waited_for),
		TEST(a_prefix_that_is_none),
		TEST(a_prefix_that_is_malformed),
		TEST(a_client_that_says_nothing_is_a_health_check),
		TEST(an_address_with_too_many),
		TEST(an_address_with_too_many_in_mode_tcp),
		TEST(an_address_with_room),
		TLS(a_handshake_has_its_time),
		TLS(draining_looks_earlier),
		TLS(too_many_handshakes),
		TLS(bytes_that_came_before_are_read),
		TLS(what_is_not_tls),
		TLS(a_client_that_goes),
		TLS(a_client_of_a_unix_socket_that_goes),
		TLS(or_within_its_hello),
		TLS(a_client_that_goes_within_its_hello),
		TLS(a_handshake_that_succeeds),
		TLS(an_early_leg_without_a_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
