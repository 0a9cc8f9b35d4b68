/* conn.c in a running worker, without TLS and BPF: states, deadlines, ends, draining. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/net.h"
#include "tests/lib/tls_peer.h"
#include "worker.h"

#define GET   "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define SEEN  "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static struct conf conf;
static struct conf_listener listener_conf;
static struct shared shared;
static struct worker worker;
static struct kedge_stats *stats;
static int app = -1; /* listens */
static uint16_t port;

static int up(void **state)
{
	uint16_t app_port;

	(void)state;
	stats = aligned_alloc(64, sizeof(*stats));
	if (!stats)
		return -1;
	memset(stats, 0, sizeof(*stats));
	app = net_listen(&app_port);
	listener_conf = (struct conf_listener){
		.addr.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
		.name = "127.0.0.1:0"};
	conf = (struct conf){
		.listeners = &listener_conf,
		.listeners_count = 1,
		.app.in = {.sin_family = AF_INET,
			   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
			   .sin_port = htons(app_port)},
		.workers = 1,
		.prefix_timeout_ms = 20000,
		.connect_timeout_ms = 20000,
		.head_timeout_ms = 20000,
		.idle_timeout_ms = 20000,
		.linger_timeout_ms = 20000,
		.drain_timeout_ms = 20000,
		.connections_max = 1000,
	};
	return 0;
}

/* The test has changed conf as it likes. Clients may connect, but nobody accepts. */
static void prepare(void)
{
	char name[ADDR_TEXT_MAX];
	int fd;

	assert_int_equal(listener_open(&fd, 1, &listener_conf, name), 0);
	port = (uint16_t)atoi(strrchr(name, ':') + 1);
	shared = (struct shared){.conf = &conf, .done_fd = eventfd(0, EFD_CLOEXEC)};
	assert_int_equal(tls_shared_init(&shared.tls, &conf, &(struct ktls_caps){0}), 0);
	assert_int_equal(worker_init(&worker, 0, &shared, stats, &fd), 0);
}

static void start(void)
{
	prepare();
	assert_int_equal(worker_start(&worker), 0);
}

static bool has_ended(int ms)
{
	return net_wait(shared.done_fd, POLLIN, ms);
}

static int down(void **state)
{
	(void)state;
	conf.drain_timeout_ms = 1;
	worker_drain(&worker);
	if (worker.listeners)
		worker_fini(&worker);
	if (shared.done_fd > 0)
		close(shared.done_fd);
	shared.done_fd = 0;
	worker = (struct worker){0};
	if (app >= 0)
		close(app);
	free(stats);
	return 0;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void hear(int fd, const char *text)
{
	char got[4096];
	size_t n = strlen(text), at = 0;

	assert_true(n < sizeof(got));
	while (at < n) {
		ssize_t r;

		assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS));
		r = recv(fd, got + at, n - at, 0);
		if (r <= 0)
			fail_msg("%s after '%.*s', expected '%s'", r ? strerror(errno) : "end",
				 (int)at, got, text);
		at += (size_t)r;
	}
	got[n] = '\0';
	assert_string_equal(got, text);
}

/* Reads to the end; 0, or the errno that ended it. The beginning of what came is in *text. */
static int hear_out(int fd, char text[512])
{
	size_t at = 0;
	char rest[4096];
	ssize_t r;

	do {
		assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS));
		r = at < 511 ? recv(fd, text + at, 511 - at, 0) : recv(fd, rest, sizeof(rest), 0);
		at += r > 0 && at < 511 ? (size_t)r : 0;
	} while (r > 0);
	text[at] = '\0';
	return r ? errno : 0;
}

static void hear_end(int fd, int err)
{
	char text[512];

	assert_int_equal(hear_out(fd, text), err);
	assert_string_equal(text, "");
}

static void until(const __u64 *counter, uint64_t value)
{
	uint64_t deadline = net_now_ms() + NET_PATIENCE_MS;

	while (__atomic_load_n(counter, __ATOMIC_RELAXED) < value) {
		if (net_now_ms() > deadline)
			fail_msg("a counter stays at %llu", (unsigned long long)*counter);
		poll(NULL, 0, 2);
	}
	assert_int_equal(*counter, value);
}

/* A client and its app leg, one request answered. */
static void join(int *client, int *leg)
{
	*client = net_connect(port);
	say(*client, GET);
	*leg = net_accept(app);
	hear(*leg, SEEN);
	say(*leg, OK_HI);
	hear(*client, OK_HI);
}

/* --- in order ----------------------------------------------------------------------------------
 */

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
	int client, leg;

	(void)state;
	start();
	client = net_connect(port);
	leg = net_accept(app);
	close(client);
	hear_end(leg, 0);
	close(leg);
	until(&stats->health_checks, 1);
}

static void a_health_check_of_a_tls_listener(void **state)
{
	struct peer_cert files;
	struct conf_cert cert = {.cert = files.cert, .key = files.key};
	int client;

	(void)state;
	peer_cert_make(&files, "conn", PEER_EC, "localhost", 1);
	listener_conf.tls = true;
	listener_conf.proxy = PROXY_PREFIX_OPTIONAL;
	listener_conf.certs = &cert;
	listener_conf.certs_count = 1;
	conf.handshake_timeout_ms = 20000;
	conf.record = POLICY_OFF;
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
		leg = i % 4 ? net_accept(app) : -1;
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

/* --- the prefix --------------------------------------------------------------------------------
 */

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
	conf.prefix_timeout_ms = 200;
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

/* --- kedge answers itself ----------------------------------------------------------------------
 */

static void expect_answer(int client, const char *begin, const char *text)
{
	char got[512];

	assert_int_equal(hear_out(client, got), 0);
	if (strncmp(got, begin, strlen(begin)) || !strstr(got, text))
		fail_msg("expected '%s ... %s', got '%s'", begin, text, got);
}

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

/* --- deadlines ---------------------------------------------------------------------------------
 */

static void a_head_that_is_never_complete(void **state)
{
	int client, leg;

	(void)state;
	conf.head_timeout_ms = 300;
	start();
	client = net_connect(port);
	leg = net_accept(app);
	say(client, "GET / HTTP/1.1\r\n");
	hear(leg, "GET / HTTP/1.1\r\n");
	poll(NULL, 0, 200); /* a drop now and then does not help */
	say(client, "Host: a\r\n");
	expect_answer(client, "HTTP/1.1 408 Request Timeout\r\n", "in time");
	hear(leg, "Host: a\r\n");
	hear_end(leg, ECONNRESET);
	assert_int_equal(stats->reasons.head_timeout, 1);
	close(client);
	close(leg);
}

/* Every head is complete soon; that the next one has begun each time is no fault. */
static void heads_that_are_cut_anywhere(void **state)
{
	uint64_t end;
	int client, leg;

	(void)state;
	conf.head_timeout_ms = 300;
	start();
	client = net_connect(port);
	leg = net_accept(app);
	say(client, "GET / HT");
	hear(leg, "GET / HT");
	for (end = net_now_ms() + 1000; net_now_ms() < end;) {
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

/* The client has sent its heads whole; who is slow is the application. */
static void heads_that_wait_for_answers(void **state)
{
	char all[8192] = "";
	int client, leg;

	(void)state;
	conf.head_timeout_ms = 300;
	start();
	client = net_connect(port);
	leg = net_accept(app);
	for (int i = 0; i <= KEDGE_PIPELINE_MAX; i++)
		strcat(all, GET);
	strcat(all, "GET / HTTP/1.1\r\n");
	say(client, all);
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
	client = net_connect(port);
	say(client, GET);
	leg = net_accept(app);
	hear(leg, SEEN);
	hear_end(client, ECONNRESET);
	hear_end(leg, ECONNRESET);
	assert_int_equal(stats->reasons.idle_timeout, 2);
	close(client);
	close(leg);
}

/* --- a leg goes while nobody reads from it -----------------------------------------------------
 */

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

/* --- limits and draining -----------------------------------------------------------------------
 */

static void one_connection_too_many(void **state)
{
	int client, leg, other;

	(void)state;
	conf.connections_max = 1;
	start();
	join(&client, &leg);
	other = net_connect(port);
	hear_end(other, ECONNRESET);
	close(other);
	until(&stats->reasons.limit_connections, 1);
	say(client, GET);
	hear(leg, SEEN);
	close(client);
	close(leg);
	until(&stats->closed, 2);
	join(&client, &leg);
	close(client);
	close(leg);
}

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
		TEST(a_refused_request_is_answered_and_drained),
		TEST(a_client_that_lingers_is_closed),
		TEST(a_client_that_floods_is_closed),
		TEST(a_head_that_is_never_complete),
		TEST(heads_that_are_cut_anywhere),
		TEST(heads_that_wait_for_answers),
		TEST(nothing_moves),
		TEST(a_client_reset_while_its_upgrade_waits),
		TEST(a_client_reset_while_a_refusal_waits),
		TEST(a_client_reset_while_its_bytes_wait),
		TEST(an_application_reset_while_its_bytes_wait),
		TEST(a_tunnel_that_ended_in_order_loses_nothing),
		TEST(one_connection_too_many),
		TEST(draining_ends_the_idle_and_waits_for_the_busy),
		TEST(draining_has_an_end),
		TEST(draining_serves_who_was_connected),
		TEST(draining_does_not_wait_for_the_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
