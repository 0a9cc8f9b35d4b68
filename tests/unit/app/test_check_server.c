/* SPDX-License-Identifier: BSD-2-Clause */
/* check_server.c: connections, those by TCP and to unix sockets, and the life of a check. */
#include "check_rig.h"

/* --- TCP ----------------------------------------------------------------------------------- */

static bool is_gone;

static void far_end_gone(struct watch *watch, uint32_t events)
{
	char byte;

	(void)watch;
	(void)events;
	if (recv(later_fd, &byte, 1, MSG_DONTWAIT) == 0)
		is_gone = true;
}

static void note_the_end(int fd)
{
	later_watch.ready = far_end_gone;
	later_fd = fd;
	is_gone = false;
	keep(fd);
	assert_int_equal(loop_add(&loop, fd, &later_watch, EPOLLIN), 0);
}

static bool is_good_and_gone(void)
{
	return is_good() && is_gone;
}

/* A connection is all; it ends without a reset. */
static void by_tcp_a_connection_is_enough(void **state)
{
	(void)state;
	app.check = CHECK_TCP;
	far.script = note_the_end;
	begin_checks();
	run_until(is_good_and_gone);
}

/* Its name leads elsewhere now. */
static void a_server_that_moves_is_checked_there(void **state)
{
	const union addr here = conf.addr;

	(void)state;
	app.check = CHECK_TCP;
	app.check_fall = app.check_rise = 1;
	conf.addr = addr_of("127.0.0.1:1");
	far.script = note_the_end;
	begin_checks();
	run_until(is_bad);
	server_set_addr(server, &here);
	run_until(is_good_and_gone);
}

static char begin_of_tcp[64];

static void hear_header(struct watch *watch, uint32_t events)
{
	ssize_t n = recv(later_fd, begin_of_tcp, sizeof(begin_of_tcp) - 1, MSG_DONTWAIT);

	(void)watch;
	(void)events;
	loop_del(&loop, later_fd);
	begin_of_tcp[n > 0 ? n : 0] = '\0';
}

static void hear_header_later(int fd)
{
	later_watch.ready = hear_header;
	later_fd = fd;
	keep(fd);
	assert_int_equal(loop_add(&loop, fd, &later_watch, EPOLLIN), 0);
}

static bool is_good_and_heard(void)
{
	return is_good() && begin_of_tcp[0];
}

/* An application that wants a PROXY header would take a connection without one for a fault. */
static void a_check_by_tcp_sends_the_proxy_header(void **state)
{
	(void)state;
	app.check = CHECK_TCP;
	app.send_proxy = SEND_PROXY_V1;
	far.script = hear_header_later;
	begin_checks();
	run_until(is_good_and_heard);
	assert_string_equal(begin_of_tcp, "PROXY UNKNOWN\r\n");
}

static void the_server_is_not_there(void **state)
{
	(void)state;
	close(far.fd);
	far.fd = -1;
	falls_with("Connection refused");
}

/* Nor can its clients reach it. */
static void this_host_has_no_such_addresses(void **state)
{
	(void)state;
	socket_error = -EAFNOSUPPORT;
	falls_with("Address family not supported by protocol");
}

static void reset(int fd)
{
	net_close_reset(fd);
	close(fd);
}

static void the_server_resets(void **state)
{
	(void)state;
	far.script = reset;
	falls_with("Connection reset by peer");
}

/* --- unix sockets ----------------------------------------------------------------------------- */

/* Takes the place of far.fd; nobody accepts there. */
static void listen_unix(int backlog)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char name[64];

	close(far.fd);
	far.fd = fd;
	snprintf(name, sizeof(name), "unix:@kedge test_check_server %d", (int)getpid());
	conf.addr = addr_of(name);
	assert_int_equal(bind(fd, &conf.addr.sa, addr_len(&conf.addr)), 0);
	assert_int_equal(listen(fd, backlog), 0);
}

static void fill_queue(void)
{
	for (int i = 0; i < 64; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (connect(fd, &conf.addr.sa, addr_len(&conf.addr)) < 0) {
			assert_int_equal(errno, EAGAIN);
			close(fd);
			return;
		}
		keep(fd);
	}
	fail_msg("the queue has no end");
}

static void the_queue_of_a_unix_socket_is_full(void **state)
{
	(void)state;
	app.check = CHECK_TCP;
	listen_unix(1);
	fill_queue();
	falls_with("its queue of connections was full for 2000 ms");
	/* It has room again, and is up in the check under way or the next two. */
	close(accept(far.fd, NULL, NULL));
	close(accept(far.fd, NULL, NULL));
	run_until(is_good);
}

static bool is_queued(void)
{
	return checked->phase == CHECK_QUEUES;
}

static void room_within_the_time_of_a_check_is_soon_enough(void **state)
{
	(void)state;
	app.check = CHECK_TCP;
	listen_unix(1);
	fill_queue();
	begin_checks();
	run_until(is_queued);
	close(accept(far.fd, NULL, NULL));
	run_until(is_good);
	assert_int_equal(checked->bad, 0);
}

static void a_unix_socket_is_not_there(void **state)
{
	(void)state;
	conf.addr = addr_of("unix:/nowhere/kedge-test.sock");
	falls_with("No such file or directory");
}

/* --- its life --------------------------------------------------------------------------------- */

static void an_end_in_the_middle_counts_as_nothing(void **state)
{
	(void)state;
	app.check_fall = 1;
	far.script = say_nothing;
	begin_checks();
	run_until(is_reading);
	assert_true(checked->fd >= 0);
	check_server_end(checked);
	assert_int_equal(checked->fd, -1);
	assert_int_equal(checked->timer.slot_ms, 0);
	assert_int_equal(health(), SERVER_UNCHECKED);
}

static bool same_as(struct conf_app *other, struct conf_server *other_conf)
{
	struct check_server *a = check_server_new(server, &app, &conf);
	struct check_server *b = check_server_new(server, other, other_conf);
	bool same = check_server_same(a, b) && check_server_same(b, a);

	check_server_free(a);
	check_server_free(b);
	return same;
}

#define CHANGED(field, value)                           \
	do {                                            \
		struct conf_app changed = app;          \
		changed.field = value;                  \
		assert_false(same_as(&changed, &conf)); \
	} while (0)

static void any_change_makes_it_another(void **state)
{
	struct conf_app same = app;
	struct conf_server moved = conf;

	(void)state;
	assert_true(same_as(&same, &conf));
	CHANGED(check, CHECK_TCP);
	CHANGED(check_path, "/health2");
	CHANGED(check_path, "/longer-than-it-was");
	CHANGED(check_host, "other");
	CHANGED(check_status.from, 201);
	CHANGED(check_status.to, 201);
	CHANGED(check_every_ms, 1);
	CHANGED(check_timeout_ms, 1);
	CHANGED(check_rise, 9);
	CHANGED(check_fall, 9);
	CHANGED(send_proxy, SEND_PROXY_V1);
	moved.addr = addr_of("127.0.0.1:1");
	assert_false(same_as(&same, &moved));
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(by_tcp_a_connection_is_enough),
		TEST(a_server_that_moves_is_checked_there),
		TEST(a_check_by_tcp_sends_the_proxy_header),
		TEST(the_server_is_not_there),
		TEST(this_host_has_no_such_addresses),
		TEST(the_server_resets),
		TEST(the_queue_of_a_unix_socket_is_full),
		TEST(room_within_the_time_of_a_check_is_soon_enough),
		TEST(a_unix_socket_is_not_there),
		TEST(an_end_in_the_middle_counts_as_nothing),
		TEST(any_change_makes_it_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
