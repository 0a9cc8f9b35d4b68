/* SPDX-License-Identifier: BSD-2-Clause */
/* What kedge does when there is not enough of something. */
#include "conn_rig.h"

#include <sys/resource.h>
#include <time.h>

#include "tests/lib/tls_peer.h"

/* Out of descriptors: accepting pauses, goes on by itself, and loses nobody. */
static void out_of_descriptors_is_a_pause(void **state)
{
	enum { MANY = 8 };
	struct rlimit old, low;
	int clients[MANY], hold[MANY];

	(void)state;
	listener_conf.proxy = PROXY_PREFIX_REQUIRE;
	prepare();
	for (int i = 0; i < MANY; i++)
		clients[i] = net_connect(port);
	for (int i = 0; i < MANY; i++)
		hold[i] = dup(0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)hold[MANY - 1] + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	close(hold[0]);
	close(hold[1]);
	assert_int_equal(worker_start(&worker), 0);
	until(&stats->accepted, 2);
	poll(NULL, 0, 50);
	assert_int_equal(stats->accepted, 2);
	for (int i = 2; i < MANY; i++)
		close(hold[i]);
	until(&stats->accepted, MANY);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	for (int i = 0; i < MANY; i++)
		close(clients[i]);
	until(&stats->closed, MANY);
}

/* The pause is said once, however often it happens, and costs no time of the processor. */
static void a_long_pause_is_quiet(void **state)
{
	struct rlimit old, low;
	struct timespec before, after;
	clockid_t clock;
	int client, hold;

	(void)state;
	listener_conf.proxy = PROXY_PREFIX_REQUIRE;
	prepare();
	client = net_connect(port);
	hold = dup(0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)hold;
	close(hold);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(worker_start(&worker), 0);
	assert_int_equal(pthread_getcpuclockid(worker.thread, &clock), 0);
	assert_int_equal(clock_gettime(clock, &before), 0);
	poll(NULL, 0, 1500);
	assert_int_equal(clock_gettime(clock, &after), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	until(&stats->accepted, 1);
	assert_true((after.tv_sec - before.tv_sec) * 1000 +
			    (after.tv_nsec - before.tv_nsec) / 1000000 <
		    150);
	close(client);
	until(&stats->closed, 1);
	/* Some five to eight pauses, and one line. */
	assert_true(worker.acceptor.pauses >= 2);
	assert_in_range(worker.acceptor.pause_said_ms, 1, worker.loop.now_ms - 1000);
}

/*
 * --- too many ------------------------------------------------------------------------------------
 */

/* The first connection goes on, and when it has ended there is room again. */
static void one_too_many(const __u64 *reason)
{
	int client, leg, other;

	start();
	join(&client, &leg);
	other = net_connect(port);
	hear_end(other, ECONNRESET);
	close(other);
	until(reason, 1);
	assert_int_equal(limits.connections, 1);
	say(client, GET);
	hear(leg, SEEN);
	close(client);
	close(leg);
	until(&stats->closed, 2);
	join(&client, &leg);
	close(client);
	close(leg);
	until(&stats->closed, 3);
	assert_int_equal(limits.connections, 0);
	assert_int_equal(tally.connections, 0);
}

static void too_many_of_all(void **state)
{
	(void)state;
	conf.connections_max = 1;
	one_too_many(&stats->reasons.limit_connections);
}

static void too_many_of_a_listener(void **state)
{
	(void)state;
	listener_conf.connections_max = 1;
	one_too_many(&stats->reasons.limit_listener);
}

#define FROM_22 "PROXY TCP4 198.51.100.22 203.0.113.7 35646 443\r\n"
#define FROM_23 "PROXY TCP4 198.51.100.23 203.0.113.7 35646 443\r\n"

static int prefixed(const char *prefix)
{
	int client = net_connect(port);

	say(client, prefix);
	return client;
}

/* The client that the prefix names is counted, and the answer says so. */
static void too_many_of_an_address(void **state)
{
	char got[512];
	int a, b, other, legs[3];

	(void)state;
	listener_conf.proxy = PROXY_PREFIX_REQUIRE;
	conf.address_connections_max = 2;
	start();
	a = prefixed(FROM_22 GET);
	legs[0] = net_accept(app);
	b = prefixed(FROM_22 GET);
	legs[1] = net_accept(app);
	/* At once: a client that has asked for nothing yet is answered without a text. */
	other = prefixed(FROM_22 GET);
	assert_int_equal(hear_out(other, got), 0);
	assert_non_null(strstr(got, "HTTP/1.1 503 Service Unavailable\r\n"));
	assert_non_null(strstr(got, "from one address"));
	close(other);
	until(&stats->reasons.limit_address, 1);
	other = prefixed(FROM_23 GET);
	legs[2] = net_accept(app);
	close(other);
	close(legs[2]);
	close(a);
	close(legs[0]);
	until(&stats->closed, 3);
	a = prefixed(FROM_22 GET);
	legs[0] = net_accept(app);
	close(a);
	close(b);
	close(legs[0]);
	close(legs[1]);
	until(&stats->closed, 5);
	assert_int_equal(stats->reasons.limit_address, 1);
}

/* Those that are told so and stay for all that are no way around the limit. */
static void the_refused_do_not_stay(void **state)
{
	enum { MANY = 3 * SOURCES_REFUSED_MAX };
	int first, leg, other[MANY];

	(void)state;
	conf.address_connections_max = 1;
	conf.linger_timeout_ms = 3600000;
	start();
	join(&first, &leg);
	for (int i = 0; i < MANY; i++)
		other[i] = net_connect(port);
	until(&stats->reasons.limit_address, MANY);
	assert_true(stats->responses_own >= SOURCES_REFUSED_MAX);
	/* They stay open here. */
	until(&stats->closed, MANY);
	say(first, GET);
	hear(leg, SEEN);
	for (int i = 0; i < MANY; i++)
		close(other[i]);
	close(first);
	close(leg);
	until(&stats->closed, MANY + 1);
}

static void too_many_handshakes(void **state)
{
	struct peer_cert files;
	struct conf_cert cert = {.cert = files.cert, .key = files.key};
	int client, other;

	(void)state;
	peer_cert_make(&files, "limits", PEER_EC, "localhost", 1);
	listener_conf.tls = true;
	listener_conf.certs = &cert;
	listener_conf.certs_count = 1;
	conf.handshake_timeout_ms = 20000;
	conf.handshakes_max = 1;
	conf.record = POLICY_OFF;
	start();
	client = net_connect(port);
	until(&stats->accepted, 1);
	other = net_connect(port);
	hear_end(other, ECONNRESET);
	close(other);
	until(&stats->reasons.limit_handshakes, 1);
	close(client);
	until(&stats->closed, 2);
	assert_int_equal(limits.handshakes, 0);
	/* The place is free again. */
	client = net_connect(port);
	until(&stats->accepted, 3);
	close(client);
	until(&stats->closed, 3);
	assert_int_equal(stats->reasons.limit_handshakes, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(out_of_descriptors_is_a_pause),
		TEST(a_long_pause_is_quiet),
		TEST(too_many_of_all),
		TEST(too_many_of_a_listener),
		TEST(too_many_of_an_address),
		TEST(the_refused_do_not_stay),
		TEST(too_many_handshakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
