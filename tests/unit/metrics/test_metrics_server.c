/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_server.c: scrapers of every kind, which anybody can be, and what the server keeps to. */
#include "metrics_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>

#include "base/loop.h"
#include "tests/lib/heard.h"
#include "tests/lib/net.h"

static pthread_t test_thread;

/* The server's clock runs so many times as fast. */
static unsigned fast;
static uint64_t timers_ms; /* atomic: what the last timer was set to */
static unsigned callocs_left = UINT32_MAX, adds_left = UINT32_MAX; /* atomic: until they fail */

static void test_timer_set(struct loop *l, struct timer *t, uint64_t ms)
{
	__atomic_store_n(&timers_ms, ms, __ATOMIC_SEQ_CST);
	loop_timer_set(l, t, ms / fast);
}

static bool is_used_up(unsigned *left)
{
	if (__atomic_load_n(left, __ATOMIC_SEQ_CST))
		return __atomic_fetch_sub(left, 1, __ATOMIC_SEQ_CST) == 0;
	return true;
}

static void *failing_calloc(size_t n, size_t size)
{
	return is_used_up(&callocs_left) ? NULL : calloc(n, size);
}

static int test_loop_add(struct loop *l, int fd, struct watch *w, uint32_t events)
{
	return is_used_up(&adds_left) ? -ENOSPC : loop_add(l, fd, w, events);
}

static unsigned pauses; /* atomic: descriptors that no event is wanted of */

static int test_loop_mod(struct loop *l, int fd, struct watch *w, uint32_t events)
{
	if (!events)
		__atomic_add_fetch(&pauses, 1, __ATOMIC_SEQ_CST);
	return loop_mod(l, fd, w, events);
}

#define loop_mod       test_loop_mod
#define loop_timer_set test_timer_set
#define loop_add       test_loop_add
#define calloc         failing_calloc
#include "metrics/metrics_server.c"
#undef loop_timer_set
#undef loop_mod
#undef loop_add
#undef calloc

static struct metrics_server *server;
static uint16_t port;
static unsigned ends, refusals; /* atomic: what the server met */

#define REQUEST "GET /metrics HTTP/1.1\r\n\r\n"

static void callocs(unsigned left)
{
	__atomic_store_n(&callocs_left, left, __ATOMIC_SEQ_CST);
}

static void adds(unsigned left)
{
	__atomic_store_n(&adds_left, left, __ATOMIC_SEQ_CST);
}

static int serve_with(void **state, unsigned speed)
{
	union addr addr = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)}};

	up(state);
	fast = speed;
	test_thread = pthread_self();
	ends = refusals = 0;
	callocs(UINT32_MAX);
	adds(UINT32_MAX);
	assert_int_equal(metrics_server_open(&server, &addr), 0);
	port = metrics_server_port(server);
	return metrics_server_start(server, &numbers);
}

static int serve(void **state)
{
	return serve_with(state, 1);
}

static int serve_fast(void **state)
{
	return serve_with(state, 25);
}

static int unserve(void **state)
{
	metrics_server_close(server);
	server = NULL;
	return down(state);
}

/* Everything until the end, terminated, to be freed. */
static char *read_all(int fd)
{
	const size_t room = 1 << 20;
	char *all = calloc(1, room);
	size_t n = 0;
	ssize_t r;

	do {
		assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS));
		r = recv(fd, all + n, room - 1 - n, 0);
		n += r > 0 ? (size_t)r : 0;
	} while (r > 0);
	all[n] = '\0';
	return all;
}

static void say(int fd, const char *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static void say_text(int fd, const char *text)
{
	say(fd, text, strlen(text));
}

/* What comes is one whole answer of status 200. */
static void check_answer(int fd)
{
	char *all = read_all(fd), *body = strstr(all, "\r\n\r\n");
	const char *length = strstr(all, "Content-Length: ");

	assert_int_equal(strncmp(all, "HTTP/1.1 200 ", 13), 0);
	assert_true(body && length);
	assert_int_equal(strlen(body + 4), strtoul(length + 16, NULL, 10));
	free(all);
}

static void check_ends_without_answer(int fd)
{
	char *all = read_all(fd);

	assert_string_equal(all, "");
	free(all);
}

static void check(void)
{
	int fd = net_connect(port);

	say_text(fd, REQUEST);
	check_answer(fd);
	close(fd);
}

static void a_scraper_gets_one_answer_and_the_end(void **state)
{
	int fd = net_connect(port);

	(void)state;
	/* A second request is not answered: the first answer has said "close". */
	say_text(fd, REQUEST REQUEST);
	check_answer(fd);
	close(fd);
	assert_int_equal(__atomic_load_n(&timers_ms, __ATOMIC_SEQ_CST), SCRAPE_MS);
}

static void a_half_closed_scraper_gets_its_answer(void **state)
{
	int fd = net_connect(port);

	(void)state;
	say_text(fd, REQUEST);
	shutdown(fd, SHUT_WR);
	check_answer(fd);
	close(fd);
	fd = net_connect(port);
	say_text(fd, "GET /metrics HT");
	shutdown(fd, SHUT_WR);
	check_ends_without_answer(fd);
	close(fd);
	fd = net_connect(port);
	shutdown(fd, SHUT_WR);
	check_ends_without_answer(fd);
	close(fd);
	check();
}

/* A head of `len` bytes; with its end, or cut short of it. */
static void say_head(int fd, size_t len, bool ends_there)
{
	char *head = malloc(len);

	memset(head, 'a', len);
	memcpy(head, "GET /metrics HTTP/1.1\r\nA: ", 26);
	if (ends_there)
		memcpy(head + len - 4, "\r\n\r\n", 4);
	say(fd, head, len);
	free(head);
}

static void a_head_may_be_so_long_and_no_longer(void **state)
{
	int fd = net_connect(port);

	(void)state;
	say_head(fd, HEAD_BYTES, true);
	check_answer(fd);
	close(fd);
	fd = net_connect(port);
	say_head(fd, HEAD_BYTES, false);
	check_ends_without_answer(fd); /* before its time is over */
	close(fd);
	fd = net_connect(port);
	say_head(fd, HEAD_BYTES + 1, true);
	free(read_all(fd)); /* the end, or a reset; no answer that anybody waits for */
	close(fd);
	check();
}

static void bytes_that_are_no_text_are_no_matter(void **state)
{
	static const char zeros[] = "GET /metrics HTTP/1.1\r\nA: \0\0\0\r\n\r\n";
	int fd = net_connect(port);
	char *all;

	(void)state;
	say(fd, zeros, sizeof(zeros) - 1);
	check_answer(fd);
	close(fd);
	fd = net_connect(port);
	say(fd, "\0\0\0\0\r\n\r\n", 8);
	all = read_all(fd);
	assert_int_equal(strncmp(all, "HTTP/1.1 405 ", 13), 0);
	free(all);
	close(fd);
}

static bool has_ended(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* At the limit none has to go; the next one ends the oldest, and it alone. */
static void one_more_ends_the_oldest(void **state)
{
	int fds[SCRAPES_MAX + 1];

	(void)state;
	for (int i = 0; i < SCRAPES_MAX; i++)
		fds[i] = net_connect(port);
	/* The server has taken the last one when it answers it. */
	say_text(fds[SCRAPES_MAX - 1], REQUEST);
	check_answer(fds[SCRAPES_MAX - 1]);
	assert_false(has_ended(fds[0])); /* it counts until its other end is closed */
	fds[SCRAPES_MAX] = net_connect(port);
	check_ends_without_answer(fds[0]);
	assert_false(has_ended(fds[1]));
	/* The answered one goes, so there is room for one. */
	close(fds[SCRAPES_MAX - 1]);
	while (__atomic_load_n(&ends, __ATOMIC_SEQ_CST) < 1)
		poll(NULL, 0, 1);
	check();
	assert_false(has_ended(fds[1]));
	for (int i = 0; i <= SCRAPES_MAX; i++)
		if (i != SCRAPES_MAX - 1)
			close(fds[i]);
	check();
}

/* Far more than are held at a time: none of them is in the way. */
static void silent_scrapers_are_in_nobodys_way(void **state)
{
	int silent[100];

	(void)state;
	for (int i = 0; i < 100; i++) {
		silent[i] = net_connect(port);
		if (i % 16 == 15)
			check(); /* so that it has accepted them: its queue is short */
	}
	check();
	free(read_all(silent[0]));
	assert_false(net_wait(silent[99], POLLIN, NET_QUIET_MS));
	for (int i = 0; i < 100; i++)
		close(silent[i]);
	check();
}

/* The answer does not fit the buffers of this connection: accept4() keeps the other end's small. */
static int connect_narrow(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), size = 1024;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Asks in single bytes and reads late; the others do not wait. */
static void slow_scrapers_get_all_of_it(void **state)
{
	int slow = connect_narrow();

	(void)state;
	for (size_t i = 0; i < sizeof(REQUEST) - 1; i++)
		say(slow, &REQUEST[i], 1);
	check();
	check_answer(slow);
	close(slow);
}

static void a_reset_ends_one_alone(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		int fd = connect_narrow();

		if (i)
			say_text(fd, REQUEST);
		if (i % 2)
			assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS)); /* in the answer */
		net_close_reset(fd);
	}
	check();
}

/* --- its time is over ------------------------------------------------------------------------- */

/* Time begins at the accept: who sends a little now and then is not given more. */
static void nobody_stays_beyond_the_time(void **state)
{
	int silent = net_connect(port), dripping = net_connect(port), answered = net_connect(port);

	(void)state;
	say_text(answered, REQUEST);
	check_answer(answered); /* its end is kept open */
	while (!has_ended(dripping)) {
		if (send(dripping, "G", 1, MSG_NOSIGNAL) < 0)
			break;
		send(answered, "x", 1, MSG_NOSIGNAL);
		poll(NULL, 0, 2);
	}
	check_ends_without_answer(silent);
	/* What is sent to the answered one meets no socket any more: a reset. */
	while (send(answered, "x", 1, MSG_NOSIGNAL) == 1)
		poll(NULL, 0, 2);
	assert_true(errno == EPIPE || errno == ECONNRESET);
	close(silent);
	close(dripping);
	close(answered);
	check();
}

static unsigned scrapes(void)
{
	return __atomic_load_n(&server->count, __ATOMIC_SEQ_CST);
}

static void a_scraper_that_does_not_read_is_ended(void **state)
{
	int fd = connect_narrow();
	char *all;

	(void)state;
	say_text(fd, REQUEST);
	assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS));
	while (scrapes())
		assert_int_equal(poll(NULL, 0, 1), 0);
	all = read_all(fd); /* what the kernel had of it */
	assert_non_null(strstr(all, "\r\n\r\n"));
	assert_true(strlen(strstr(all, "\r\n\r\n") + 4) <
		    strtoul(strstr(all, "Content-Length: ") + 16, NULL, 10));
	free(all);
	close(fd);
	check();
}

/* --- the server's system calls, counted ------------------------------------------------------- */

static int refuse_with; /* atomic; what accept4(2) fails with, 0: it does not */

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	ssize_t n = recvfrom(fd, buf, len, flags, NULL, NULL);

	if (n == 0 && !pthread_equal(pthread_self(), test_thread))
		__atomic_add_fetch(&ends, 1, __ATOMIC_SEQ_CST);
	if (n >= 0)
		errno = EAGAIN; /* what an earlier call has left there */
	return n;
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int err = __atomic_load_n(&refuse_with, __ATOMIC_SEQ_CST);

	if (pthread_equal(pthread_self(), test_thread))
		return (int)syscall(SYS_accept4, fd, addr, len, flags);
	if (!err) {
		int new = (int)syscall(SYS_accept4, fd, addr, len, flags), size = 4096;

		setsockopt(new, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		return new;
	}
	__atomic_add_fetch(&refusals, 1, __ATOMIC_SEQ_CST);
	errno = err;
	return -1;
}

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
		TEST(a_scraper_gets_one_answer_and_the_end),
		TEST(a_half_closed_scraper_gets_its_answer),
		TEST(a_head_may_be_so_long_and_no_longer),
		TEST(bytes_that_are_no_text_are_no_matter),
		TEST(one_more_ends_the_oldest),
		TEST(silent_scrapers_are_in_nobodys_way),
		TEST(slow_scrapers_get_all_of_it),
		TEST(a_reset_ends_one_alone),
		FAST_TEST(nobody_stays_beyond_the_time),
		FAST_TEST(a_scraper_that_does_not_read_is_ended),
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
