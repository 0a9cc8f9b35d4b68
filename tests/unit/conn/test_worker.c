/* SPDX-License-Identifier: BSD-2-Clause */
/* worker.c: one set of doors after the other, and how the connections of each are treated. */
#include "conn_rig.h"

#include <sys/resource.h>

static struct generation next; /* never freed by count, as the first one */
static struct conf next_conf;
static struct conf_listener next_listeners[2];

/* A configuration like the first one: its listener, and perhaps a second one. */
static void next_generation(size_t listeners)
{
	next_conf = conf;
	next_listeners[0] = next_listeners[1] = listener_conf;
	next_conf.listeners = next_listeners;
	next_conf.listeners_count = listeners;
	next = (struct generation){.refs = 1,
				   .number = 2,
				   .conf = &next_conf,
				   .tls = generation.tls,
				   .apps = generation.apps,
				   .tallies = tallies};
}

/*
 * Posts what the configuration wants; from[] as in sockets_open(). The port of its last listener.
 */
static uint16_t post(const int *from)
{
	struct sockets *sockets;
	struct doors *set;
	uint16_t last;

	assert_int_equal(sockets_open(&sockets, &next_conf, from, NULL), 0);
	assert_int_equal(doors_new(&set, &worker.acceptor, &next), 0);
	assert_int_equal(doors_give(set, sockets, 0, worker.doors, from), 0);
	sockets_close(sockets);
	last = set->doors[set->count - 1]->service->port;
	worker_post(&worker, set);
	while (worker_waits(&worker))
		poll(NULL, 0, 1);
	return last;
}

static bool refused(uint16_t to)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(to)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool no = connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0 && errno == ECONNREFUSED;

	close(fd);
	return no;
}

static void old_connections_keep_what_they_had(void **state)
{
	int old, old_leg, new, new_leg, from[] = {0};

	(void)state;
	start();
	join(&old, &old_leg);
	next_generation(1);
	next_conf.xff = XFF_NEVER;
	post(from);
	new = net_connect(port);
	say(new, GET);
	new_leg = net_accept(app);
	hear(new_leg, GET);
	say(old, GET);
	hear(old_leg, SEEN);
	say(old_leg, OK_HI);
	hear(old, OK_HI);
	/* Ours, and that of the old listener, which its connection holds. */
	assert_int_equal(__atomic_load_n(&generation.refs, __ATOMIC_ACQUIRE), 2);
	close(old);
	close(old_leg);
	until(&stats->closed, 1);
	for (int i = 0; i < 1000 && __atomic_load_n(&generation.refs, __ATOMIC_ACQUIRE) > 1; i++)
		poll(NULL, 0, 2);
	assert_int_equal(generation.refs, 1);
	assert_int_equal(next.refs, 3); /* ours, the set's and the listener's */
	close(new);
	close(new_leg);
	until(&stats->closed, 2);
	worker_drain(&worker);
	assert_true(has_ended(NET_PATIENCE_MS));
}

static void a_new_listener_beside_the_old_one(void **state)
{
	int client, leg, from[] = {0, -1};
	uint16_t second;

	(void)state;
	start();
	next_generation(2);
	second = post(from);
	assert_int_not_equal(second, port);
	for (int i = 0; i < 2; i++) {
		client = net_connect(i ? second : port);
		say(client, GET);
		leg = net_accept(app);
		hear(leg, SEEN);
		close(client);
		close(leg);
	}
	until(&stats->closed, 2);
	worker_drain(&worker);
	assert_true(has_ended(NET_PATIENCE_MS));
}

/* A client that connected before its listener was removed is served. */
static void a_listener_that_goes(void **state)
{
	enum { MANY = 100 };
	int clients[MANY], leg, from[] = {-1};
	uint16_t other;

	(void)state;
	listener_conf.proxy = PROXY_PREFIX_REQUIRE;
	start();
	for (int i = 0; i < MANY; i++)
		clients[i] = net_connect(port);
	next_generation(1);
	other = post(from);
	assert_true(refused(port));
	assert_false(refused(other));
	for (int i = 0; i < MANY; i++) {
		say(clients[i], "PROXY TCP4 198.51.100.22 203.0.113.7 35646 443\r\n" GET);
		leg = net_accept(app);
		hear(leg, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.22\r\n\r\n");
		close(clients[i]);
		close(leg);
	}
	worker_drain(&worker);
	assert_true(has_ended(NET_PATIENCE_MS));
}

/* The worker meets both in one turn. */
static void a_set_posted_just_before_the_drain(void **state)
{
	struct sockets *sockets;
	struct doors *set;
	int from[] = {0, -1};
	uint16_t second;

	(void)state;
	prepare();
	next_generation(2);
	assert_int_equal(sockets_open(&sockets, &next_conf, from, NULL), 0);
	assert_int_equal(doors_new(&set, &worker.acceptor, &next), 0);
	assert_int_equal(doors_give(set, sockets, 0, worker.doors, from), 0);
	sockets_close(sockets);
	second = set->doors[1]->service->port;
	worker.started = true; /* for the post: the thread takes both at its first turn */
	worker_post(&worker, set);
	worker_drain(&worker);
	worker.started = false;
	assert_int_equal(worker_start(&worker), 0);
	assert_true(has_ended(NET_PATIENCE_MS));
	assert_true(refused(port) && refused(second));
}

/* --- the thread ------------------------------------------------------------------------------- */

static void a_sign_of_life(void **state)
{
	uint64_t until_ms = net_now_ms() + NET_PATIENCE_MS;

	(void)state;
	prepare();
	assert_true(worker_answered(&worker)); /* it was not asked */
	worker_ask(&worker);
	assert_false(worker_answered(&worker)); /* it has no thread yet */
	assert_int_equal(worker_start(&worker), 0);
	worker_ask(&worker);
	while (!worker_answered(&worker) && net_now_ms() < until_ms)
		poll(NULL, 0, 1);
	assert_true(worker_answered(&worker));
	worker_drain(&worker);
	assert_true(has_ended(NET_PATIENCE_MS));
	worker_ask(&worker); /* an end is an answer */
	assert_true(worker_answered(&worker));
}

/* Asked for again and again, it drains once; with nothing open it ends at once. */
static void a_drain_is_begun_once(void **state)
{
	int client, leg;

	(void)state;
	start();
	ask(&client, &leg);
	for (int i = 0; i < 3; i++)
		worker_drain(&worker);
	assert_false(has_ended(NET_QUIET_MS));
	say(leg, OK_HI);
	hear(client, OK_HI);
	hear_end(client, 0);
	close(client);
	close(leg);
	assert_true(has_ended(NET_PATIENCE_MS));
	assert_int_equal(stats->closed, 1);
}

#define TOLD_HI "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"

/* Before the drain: it accepts as before, and each response is its client's last. */
static void one_that_is_closing_says_so(void **state)
{
	int client, leg;

	(void)state;
	start();
	join(&client, &leg);
	worker_closing(&worker);
	worker_ask(&worker);
	while (!worker_answered(&worker))
		poll(NULL, 0, 1);
	for (int i = 0; i < 2; i++) {
		say(client, GET);
		if (i) /* a new client */
			leg = net_accept(app);
		hear(leg, SEEN);
		say(leg, OK_HI);
		hear(client, TOLD_HI);
		hear_end(client, 0);
		close(client);
		close(leg);
		if (!i)
			client = net_connect(port);
	}
	assert_false(has_ended(NET_QUIET_MS));
	worker_drain(&worker);
	assert_true(has_ended(NET_PATIENCE_MS));
}

/* Each descriptor that it needs may be the one that is missing; nothing is left behind. */
static void a_worker_without_descriptors(void **state)
{
	static struct worker w;
	struct rlimit old, low;
	int first, err, failures = 0;

	(void)state;
	prepare();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	first = dup(0);
	close(first);
	do {
		low = old;
		low.rlim_cur = (rlim_t)(first + failures);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
		err = worker_init(&w, 0, &shared, stats);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		worker_fini(&w);
		failures += err < 0;
		assert_true(err == 0 || err == -EMFILE);
	} while (err && failures < 10);
	assert_int_equal(failures, 2); /* epoll, eventfd */
	assert_int_equal(dup(0), first);
	close(first);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(old_connections_keep_what_they_had),
		TEST(a_new_listener_beside_the_old_one),
		TEST(a_listener_that_goes),
		TEST(a_set_posted_just_before_the_drain),
		TEST(a_sign_of_life),
		TEST(a_drain_is_begun_once),
		TEST(one_that_is_closing_says_so),
		TEST(a_worker_without_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
