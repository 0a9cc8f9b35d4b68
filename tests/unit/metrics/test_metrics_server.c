/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_server.c: scrapers of every kind, which anybody can be, and what the server keeps to. */
#include "server_rig.h"

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

/* As AWS's balancer sends it with a health check: LOCAL, with a block that means nothing. */
static const char local_v2[16 + 84] = "\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x54\x03\0\x04";

static void a_proxy_prefix_is_skipped(void **state)
{
	static const char v1[] = "PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n";
	int fd = net_connect(port);

	(void)state;
	say(fd, local_v2, sizeof(local_v2));
	say_text(fd, REQUEST);
	check_answer(fd);
	close(fd);
	fd = net_connect(port);
	say_text(fd, v1);
	say_text(fd, REQUEST);
	check_answer(fd);
	close(fd);
	fd = net_connect(port);
	for (size_t i = 0; i < sizeof(local_v2); i++)
		say(fd, local_v2 + i, 1);
	say_text(fd, REQUEST);
	check_answer(fd);
	close(fd);
	check();
}

/* The signature of version 2 has an empty line, which ends no head. */
static void a_prefix_alone_is_no_request(void **state)
{
	char bad[sizeof(local_v2)];
	int fd = net_connect(port);

	(void)state;
	say(fd, local_v2, sizeof(local_v2));
	shutdown(fd, SHUT_WR);
	check_ends_without_answer(fd);
	close(fd);
	fd = net_connect(port);
	memcpy(bad, local_v2, sizeof(bad));
	bad[12] = 0x30; /* version 3 */
	say(fd, bad, sizeof(bad));
	check_ends_without_answer(fd); /* before its time is over */
	close(fd);
	check();
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

int main(void)
{
#define TEST(t)      cmocka_unit_test_setup_teardown(t, serve, unserve)
#define FAST_TEST(t) cmocka_unit_test_setup_teardown(t, serve_fast, unserve)
	const struct CMUnitTest tests[] = {
		TEST(a_scraper_gets_one_answer_and_the_end),
		TEST(a_half_closed_scraper_gets_its_answer),
		TEST(a_head_may_be_so_long_and_no_longer),
		TEST(bytes_that_are_no_text_are_no_matter),
		TEST(a_proxy_prefix_is_skipped),
		TEST(a_prefix_alone_is_no_request),
		TEST(one_more_ends_the_oldest),
		TEST(silent_scrapers_are_in_nobodys_way),
		TEST(slow_scrapers_get_all_of_it),
		TEST(a_reset_ends_one_alone),
		FAST_TEST(nobody_stays_beyond_the_time),
		FAST_TEST(a_scraper_that_does_not_read_is_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
