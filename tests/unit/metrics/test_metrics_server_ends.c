/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_server.c: what it does where the system or the memory fails, how it begins and ends. */
#include "server_rig.h"

/* --- the server's system calls, counted ------------------------------------------------------- */

static void the_end_of_a_scraper_is_seen_once(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		check();
	/* The last one's end may be on its way. */
	while (__atomic_load_n(&ends, __ATOMIC_SEQ_CST) < 4)
		assert_true(poll(NULL, 0, 1) == 0);
	assert_in_range(__atomic_load_n(&ends, __ATOMIC_SEQ_CST), 4, 5);
}

static unsigned refusals_seen(void)
{
	return __atomic_load_n(&refusals, __ATOMIC_SEQ_CST);
}

/* Without a descriptor nobody is accepted for a while; trying at once again would spin. */
static void failing_accepts_pause_the_server(void **state)
{
	static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		unsigned before = refusals_seen();
		unsigned paused = __atomic_load_n(&pauses, __ATOMIC_SEQ_CST);
		int fd;

		__atomic_store_n(&timers_ms, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&refuse_with, errors[i], __ATOMIC_SEQ_CST);
		fd = net_connect(port);
		while (refusals_seen() < before + 2)
			assert_true(poll(NULL, 0, 1) == 0);
		/* Between two tries it does not listen, until a timer ends that. */
		assert_true(__atomic_load_n(&pauses, __ATOMIC_SEQ_CST) > paused);
		assert_int_equal(__atomic_load_n(&timers_ms, __ATOMIC_SEQ_CST), PAUSE_MS);
		__atomic_store_n(&refuse_with, 0, __ATOMIC_SEQ_CST);
		check();
		close(fd);
	}
}

/* What ends before it is accepted is no reason to wait for the next one. */
static void aborted_connections_do_not_pause_it(void **state)
{
	static const int errors[] = {ECONNABORTED, EINTR};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		unsigned before = refusals_seen();
		int fd;

		__atomic_store_n(&timers_ms, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&refuse_with, errors[i], __ATOMIC_SEQ_CST);
		fd = net_connect(port);
		while (refusals_seen() < before + 3)
			assert_true(poll(NULL, 0, 1) == 0);
		assert_int_equal(__atomic_load_n(&timers_ms, __ATOMIC_SEQ_CST), 0);
		__atomic_store_n(&refuse_with, 0, __ATOMIC_SEQ_CST);
		say_text(fd, REQUEST);
		check_answer(fd);
		close(fd);
	}
}

static void without_memory_or_a_watch_one_is_closed(void **state)
{
	int fd;

	(void)state;
	callocs(0);
	fd = net_connect(port);
	check_ends_without_answer(fd);
	close(fd);
	callocs(UINT32_MAX);
	check();
	adds(0);
	fd = net_connect(port);
	check_ends_without_answer(fd);
	close(fd);
	adds(UINT32_MAX);
	check();
}

/* --- begin and end ---------------------------------------------------------------------------- */

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void closing_ends_every_scraper(void **state)
{
	unsigned before = open_descriptors();
	int silent, reading;

	silent = net_connect(port);
	reading = connect_narrow();
	say_text(reading, REQUEST);
	assert_true(net_wait(reading, POLLIN, NET_PATIENCE_MS));
	metrics_server_close(server);
	free(read_all(silent));
	free(read_all(reading));
	close(silent);
	close(reading);
	/* Those of the server that serve() has opened: loop, wake, socket. */
	assert_int_equal(open_descriptors(), before - 3);
	(void)state;
	server = NULL;
	metrics_server_close(NULL);
}

static void a_server_that_was_not_started_can_be_closed(void **state)
{
	union addr addr = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)}};
	unsigned before = open_descriptors();
	struct metrics_server *s;
	int fd;

	(void)state;
	assert_int_equal(metrics_server_open(&s, &addr), 0);
	fd = net_connect(metrics_server_port(s)); /* it waits to be accepted */
	metrics_server_close(s);
	free(read_all(fd));
	close(fd);
	assert_int_equal(open_descriptors(), before);
}

static void what_cannot_be_opened_is_told(void **state)
{
	union addr in_use = {.in = {.sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(0x7f000001),
				    .sin_port = htons(port)}};
	union addr elsewhere = {
		.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)}}; /* RFC 5737 */
	union addr fine = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)}};
	unsigned before = open_descriptors();
	struct metrics_server *other = NULL;
	char line[256];

	(void)state;
	heard_begin();
	assert_int_equal(metrics_server_open(&other, &in_use), -EADDRINUSE);
	snprintf(line, sizeof(line),
		 "error: metrics 127.0.0.1:%u: cannot listen (another process has this "
		 "port: ss -ltnp): Address already in use\n",
		 port);
	assert_string_equal(heard, line);
	heard_begin();
	assert_int_equal(metrics_server_open(&other, &elsewhere), -EADDRNOTAVAIL);
	assert_string_equal(heard, "error: metrics 192.0.2.1:0: cannot listen: Cannot "
				   "assign requested address\n");
	callocs(0);
	assert_int_equal(metrics_server_open(&other, &fine), -ENOMEM);
	callocs(UINT32_MAX);
	for (unsigned left = 0; left < 2; left++) {
		adds(left);
		assert_int_equal(metrics_server_open(&other, &fine), -ENOSPC);
	}
	heard_end();
	assert_null(other);
	assert_int_equal(open_descriptors(), before);
}

/* "*:9100" means IPv4, too, whatever net.ipv6.bindv6only says. */
static void any_address_is_reached_by_ipv4(void **state)
{
	union addr any = {.in6 = {.sin6_family = AF_INET6}};
	struct metrics_server *before = server;
	uint16_t port_before = port;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	if (fd < 0) {
		print_message("this machine has no IPv6\n");
		skip();
	}
	close(fd);
	assert_int_equal(metrics_server_open(&server, &any), 0);
	port = metrics_server_port(server);
	assert_int_equal(metrics_server_start(server, &numbers), 0);
	check();
	metrics_server_close(server);
	server = before;
	port = port_before;
}

int main(void)
{
#define TEST(t)      cmocka_unit_test_setup_teardown(t, serve, unserve)
#define FAST_TEST(t) cmocka_unit_test_setup_teardown(t, serve_fast, unserve)
	const struct CMUnitTest tests[] = {
		TEST(the_end_of_a_scraper_is_seen_once),
		FAST_TEST(failing_accepts_pause_the_server),
		TEST(aborted_connections_do_not_pause_it),
		TEST(without_memory_or_a_watch_one_is_closed),
		TEST(closing_ends_every_scraper),
		TEST(a_server_that_was_not_started_can_be_closed),
		TEST(what_cannot_be_opened_is_told),
		TEST(any_address_is_reached_by_ipv4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
