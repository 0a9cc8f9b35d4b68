/* SPDX-License-Identifier: BSD-2-Clause */
/* user/app/leg_proof.c: what its socket says of a leg that the application has closed. */
#include "app/leg_proof.h"

#include "tests/unit/app/leg_rig.h"

static void say(int fd)
{
	assert_int_equal(send(fd, "request", 7, MSG_NOSIGNAL), 7);
}

/* What a read gives now: 0 for the end, or an errno. As the mover does, notes it. */
static int end_of_leg(void)
{
	char byte;
	ssize_t n;

	assert_true(net_wait(leg->fd, POLLIN, NET_PATIENCE_MS));
	n = recv(leg->fd, &byte, 1, MSG_DONTWAIT);
	assert_true(n <= 0);
	leg->eof = true;
	leg->reset = n < 0;
	return n ? errno : 0;
}

static void hear_at(int fd)
{
	char got[7];

	assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS));
	assert_int_equal(recv(fd, got, 7, 0), 7);
}

static void hear(void)
{
	hear_at(app);
}

/* The reset that answers a request has come. */
static void wait_reset(void)
{
	struct pollfd p = {.fd = leg->fd};

	for (int i = 0; i < 1000 && !(p.revents & POLLHUP); i++)
		poll(&p, 1, 5);
	assert_true(p.revents & POLLHUP);
}

/* One exchange, as a leg has before. */
static void exchange(void)
{
	say(leg->fd);
	hear();
	say(app);
	hear_at(leg->fd);
	leg_mark(leg);
	assert_true(leg->acked >= 7);
}

static void closed_before_the_request(void **state)
{
	(void)state;
	exchange();
	close(app);
	app = -1;
	say(leg->fd);
	wait_reset();
	assert_int_equal(end_of_leg(), 0);
	assert_true(leg_unread(leg));
	leg->bypass = true; /* its bytes were not sent by TCP */
	assert_false(leg_unread(leg));
}

static void closed_after_the_request_was_read(void **state)
{
	(void)state;
	exchange();
	say(leg->fd);
	hear();
	close(app);
	app = -1;
	assert_int_equal(end_of_leg(), 0);
	assert_false(leg_unread(leg));
	say(leg->fd);
	wait_reset();
	assert_false(leg_unread(leg));
}

/* A part may have been read: the reset does not say how much. */
static void closed_with_the_request_in_its_queue(void **state)
{
	char byte;

	(void)state;
	exchange();
	say(leg->fd);
	assert_true(net_wait(app, POLLIN, NET_PATIENCE_MS));
	assert_int_equal(recv(app, &byte, 1, 0), 1);
	close(app);
	app = -1;
	assert_int_equal(end_of_leg(), ECONNRESET);
	assert_false(leg_unread(leg));
}

/* It may still read. */
static void closed_in_one_direction(void **state)
{
	(void)state;
	exchange();
	assert_int_equal(shutdown(app, SHUT_WR), 0);
	say(leg->fd);
	assert_int_equal(end_of_leg(), 0);
	assert_false(leg_unread(leg));
	hear();
}

static void nothing_is_known_without_a_mark(void **state)
{
	(void)state;
	exchange();
	leg->acked = 0;
	close(app);
	app = -1;
	say(leg->fd);
	wait_reset();
	assert_int_equal(end_of_leg(), 0);
	assert_false(leg_unread(leg));
}

/* A look takes nothing, so two see the same. */
static void stale_is_a_leg_that_says_something_unasked(void **state)
{
	(void)state;
	exchange();
	assert_false(leg_is_stale(leg));
	say(app);
	assert_true(net_wait(leg->fd, POLLIN, NET_PATIENCE_MS));
	assert_true(leg_is_stale(leg));
	assert_true(leg_is_stale(leg));
	hear_at(leg->fd);
	assert_false(leg_is_stale(leg));
}

static void stale_is_a_leg_that_has_ended(void **state)
{
	(void)state;
	exchange();
	close(app);
	app = -1;
	assert_true(net_wait(leg->fd, POLLIN, NET_PATIENCE_MS));
	assert_true(leg_is_stale(leg));
	say(leg->fd);
	wait_reset();
	assert_true(leg_is_stale(leg));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(closed_before_the_request),
		TEST(closed_after_the_request_was_read),
		TEST(closed_with_the_request_in_its_queue),
		TEST(closed_in_one_direction),
		TEST(nothing_is_known_without_a_mark),
		TEST(stale_is_a_leg_that_says_something_unasked),
		TEST(stale_is_a_leg_that_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
