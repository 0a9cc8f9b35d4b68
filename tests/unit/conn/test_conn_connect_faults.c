/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn_connect.c when the application cannot be reached: each reason, and what is left behind. The
 * functions of app.h are fakes here.
 */
#include "app/app.h"
#include "conn/conn_connect.h"
#include "conn/conn_leg.h"

#include <fcntl.h>

#include "tests/unit/conn/conn_parts.h"

static struct {
	int socket, connect, connected; /* errors of the next call */
	bool no_epoll;                  /* the socket cannot be watched */
	unsigned sockets;
} reach;

int app_socket(const union addr *a, bool bypass)
{
	int fd;

	(void)a;
	(void)bypass;
	reach.sockets++;
	if (reach.socket)
		return reach.socket;
	if (reach.no_epoll)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (app >= 0)
		close(app);
	net_pair(&app, &fd, 0);
	return fd;
}

int app_connect(int fd, const union addr *a)
{
	(void)fd;
	(void)a;
	return reach.connect;
}

int app_connected(int fd, const union addr *a)
{
	(void)a;
	return fd < 0 ? -EBADF : reach.connected;
}

static void start(enum conn_state state)
{
	memset(&reach, 0, sizeof(reach));
	conf.connect_early = true;
	begin(state);
}

/* --- no connection ---------------------------------------------------------------------------- */

static void a_lack_is_answered_at_once(void **state)
{
	static const struct {
		int err;
		enum kedge_reason reason;
	} lacks[] = {
		{-EMFILE, KEDGE_REASON_limit_descriptors},
		{-ENFILE, KEDGE_REASON_limit_descriptors},
		{-ENOBUFS, KEDGE_REASON_no_memory},
	};

	(void)state;
	start(CONN_CONNECT);
	for (size_t i = 0; i < sizeof(lacks) / sizeof(*lacks); i++) {
		reach.socket = lacks[i].err;
		expect(conn_connect_enter(c), CONN_REPLY, CONN_ANSWER, lacks[i].reason);
		assert_int_equal(c->flow.leg->fd, -1);
		conn_leg_close(c, true);
	}
}

/* They are asked to give their legs up, and it is tried again for a while. */
static void idle_legs_of_other_workers_have_descriptors(void **state)
{
	static struct worker both[2];

	(void)state;
	start(CONN_CONNECT);
	reach.socket = -EMFILE;
	shared.workers = both;
	shared.workers_count = 2;
	both[1].legs.idle_count = 1;
	expect_stay(conn_connect_enter(c));
	assert_null(c->flow.leg);
	assert_true(both[1].idle_asked);
	assert_int_equal(c->timer.due_ms, now() + 2);
	expect_stay(conn_connect_expired(c));
	both[1].legs.idle_count = 0; /* so it is all in use */
	expect(conn_connect_expired(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_limit_descriptors);
	conn_leg_close(c, true);
	both[1].legs.idle_count = 1;
	set_clock(c->connect_ms + 200);
	expect(conn_connect_expired(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_limit_descriptors);
	conn_leg_close(c, true);
	shared.workers = NULL;
}

/* The application is fine: it is not counted against the server. */
static void a_lack_of_source_ports(void **state)
{
	(void)state;
	start(CONN_CONNECT);
	reach.connect = -EADDRNOTAVAIL;
	expect(conn_connect_enter(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_limit_ports);
	assert_null(c->flow.leg);
	assert_int_equal(servers.set[0]->fails, 0);
}

static void a_refusal_is_answered(void **state)
{
	(void)state;
	start(CONN_CONNECT);
	reach.socket = -EAFNOSUPPORT;
	expect(conn_connect_enter(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_app_refused);
	reach.socket = 0;
	reach.connect = -ECONNREFUSED;
	expect(conn_connect_enter(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_app_refused);
	assert_null(c->flow.leg);
	reach.connect = 0;
	expect_stay(conn_connect_enter(c));
	expect(conn_connect_expired(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_app_timeout);
}

static void a_socket_that_cannot_be_watched(void **state)
{
	(void)state;
	start(CONN_CONNECT);
	reach.no_epoll = true;
	expect(conn_connect_enter(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_no_memory);
}

static void a_connect_that_fails_later(void **state)
{
	(void)state;
	start(CONN_CONNECT);
	expect_stay(conn_connect_enter(c));
	expect_timer(conf.connect_timeout_ms);
	reach.connected = -ETIMEDOUT;
	expect(conn_connect_event(c, EPOLLERR), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_app_timeout);
	assert_null(c->flow.leg);
	expect_stay(conn_connect_enter(c));
	reach.connected = -ECONNREFUSED;
	expect(conn_connect_event(c, EPOLLERR), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_app_refused);
}

static void a_connect_that_succeeds(void **state)
{
	(void)state;
	start(CONN_CONNECT);
	expect_stay(conn_connect_enter(c));
	expect_next(conn_connect_event(c, EPOLLOUT), CONN_MOVE);
	assert_true(c->flow.leg->flush);
	assert_non_null(c->flow.leg->edit);
}

/* --- the queue of a unix socket is full --- */

/* Each wait is half of the time so far. Nothing is watched meanwhile: no event would come. */
static void a_full_queue_is_tried_again_until_there_is_room(void **state)
{
	(void)state;
	start(CONN_CONNECT);
	reach.connect = -EAGAIN;
	expect_stay(conn_connect_enter(c));
	expect_timer(5);
	set_clock(now() + 100);
	expect_stay(conn_connect_expired(c));
	expect_timer(50);
	set_clock(now() + 1900);
	expect_stay(conn_connect_expired(c));
	expect_timer(200);
	reach.connect = 0;
	expect_stay(conn_connect_expired(c));
	expect_timer(conf.connect_timeout_ms - 2000);
	expect_next(conn_connect_event(c, EPOLLOUT), CONN_MOVE);
	assert_int_equal(reach.sockets, 1);
}

static void but_no_longer_than_any_connect(void **state)
{
	(void)state;
	start(CONN_CONNECT);
	reach.connect = -EAGAIN;
	expect_stay(conn_connect_enter(c));
	set_clock(now() + conf.connect_timeout_ms - 1);
	expect_stay(conn_connect_expired(c));
	expect_timer(1);
	set_clock(now() + 1);
	expect(conn_connect_expired(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_app_timeout);
}

static void nor_when_the_application_goes_meanwhile(void **state)
{
	(void)state;
	start(CONN_CONNECT);
	reach.connect = -EAGAIN;
	expect_stay(conn_connect_enter(c));
	reach.connect = -ECONNREFUSED;
	expect(conn_connect_expired(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_app_refused);
}

/* Nobody waits for it yet: it is asked again when the client leg is ready. */
static void an_early_connect_does_not_wait_in_front_of_a_queue(void **state)
{
	(void)state;
	start(CONN_HANDSHAKE);
	reach.connect = -EAGAIN;
	conn_connect_early(c);
	assert_null(c->flow.leg);
	c->state = CONN_CONNECT;
	expect_stay(conn_connect_enter(c));
	expect_timer(5);
	assert_int_equal(reach.sockets, 2);
}

/* --- during the handshake --------------------------------------------------------------------- */

static void an_early_connect_is_asked_for_once(void **state)
{
	(void)state;
	start(CONN_HANDSHAKE);
	reach.connect = -ECONNREFUSED;
	conn_connect_early(c); /* nobody is told */
	assert_null(c->flow.leg);
	conn_connect_early(c);
	assert_int_equal(reach.sockets, 1);
}

/* It is one chance. Later it would depend on who else is there. */
static void not_even_once_while_others_wait_for_a_server(void **state)
{
	(void)state;
	start(CONN_HANDSHAKE);
	app_conf.server_connections_max = 1;
	app_conf.queue_max = 1;
	assert_true(servers_wait(&servers));
	conn_connect_early(c);
	servers_wait_over(&servers);
	conn_connect_early(c);
	assert_int_equal(reach.sockets, 0);
	assert_null(c->flow.leg);
}

static void or_not_at_all(void **state)
{
	(void)state;
	start(CONN_HANDSHAKE);
	conf.connect_early = false;
	conn_connect_early(c);
	conf.connect_early = true;
	listener_conf.mode = MODE_TCP;
	conn_connect_early(c);
	assert_int_equal(reach.sockets, 0);
	assert_false(c->early);
}

/* It took its time while nobody waited for it. */
static void an_early_connect_is_there_in_time(void **state)
{
	(void)state;
	start(CONN_HANDSHAKE);
	conn_connect_early(c);
	set_clock(now() + 5);
	conn_connect_early_event(c, EPOLLOUT);
	assert_true(c->flow.leg->ready);
	set_clock(now() + conf.connect_timeout_ms);
	c->state = CONN_CONNECT;
	expect_next(conn_connect_enter(c), CONN_MOVE);
	assert_int_equal(c->flow.leg->connect_took_us, 5000);
	assert_int_equal(reach.sockets, 1);
}

/* The time that the handshake took counts. */
static void an_early_connect_that_still_waits(void **state)
{
	(void)state;
	start(CONN_HANDSHAKE);
	conn_connect_early(c);
	set_clock(now() + 1000);
	c->state = CONN_CONNECT;
	expect_stay(conn_connect_enter(c));
	expect_timer(conf.connect_timeout_ms - 1000);
	set_clock(now() + conf.connect_timeout_ms);
	expect_stay(conn_connect_enter(c)); /* never 0, which would be no timer */
	expect_timer(1);
}

static void replaced(uint32_t events, int connected)
{
	int first;

	start(CONN_HANDSHAKE);
	conn_connect_early(c);
	conn_connect_early_event(c, EPOLLOUT);
	first = app;
	reach.connected = connected;
	conn_connect_early_event(c, events);
	assert_int_equal(far_end(first), ECONNRESET);
	assert_null(c->flow.leg);
	reach.connected = 0;
	c->state = CONN_CONNECT;
	expect_stay(conn_connect_enter(c));
	assert_int_equal(reach.sockets, 2);
	expect_timer(conf.connect_timeout_ms);
}

static void an_early_connect_that_the_application_gave_up(void **state)
{
	(void)state;
	replaced(EPOLLIN | EPOLLRDHUP, 0);
}

/* It would keep the application from coming up. */
static void an_early_connect_to_itself(void **state)
{
	(void)state;
	replaced(EPOLLOUT, -ECONNREFUSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lack_is_answered_at_once),
		TEST(idle_legs_of_other_workers_have_descriptors),
		TEST(a_lack_of_source_ports),
		TEST(a_refusal_is_answered),
		TEST(a_socket_that_cannot_be_watched),
		TEST(a_connect_that_fails_later),
		TEST(a_connect_that_succeeds),
		TEST(a_full_queue_is_tried_again_until_there_is_room),
		TEST(but_no_longer_than_any_connect),
		TEST(nor_when_the_application_goes_meanwhile),
		TEST(an_early_connect_does_not_wait_in_front_of_a_queue),
		TEST(an_early_connect_is_asked_for_once),
		TEST(not_even_once_while_others_wait_for_a_server),
		TEST(or_not_at_all),
		TEST(an_early_connect_is_there_in_time),
		TEST(an_early_connect_that_still_waits),
		TEST(an_early_connect_that_the_application_gave_up),
		TEST(an_early_connect_to_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
