/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_server.c: servers of every kind, and what is said of them. Sockets are real, but the clock
 * is not: it moves on to the next deadline when nothing happens any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/loop.h"
#include "tests/lib/heard.h"
#include "tests/lib/net.h"

/* --- a loop with another clock ---------------------------------------------------------------- */

static struct loop loop;
static uint64_t clock_ms = 1000000;
static bool (*stop_when)(void);
static uint64_t stop_at_ms;

static uint64_t test_monotonic_us(void)
{
	return clock_ms * 1000;
}

/* For the kernel to bring what is on its way. */
#define SETTLE_MS 15

static int test_epoll_wait(int ep, struct epoll_event *ev, int max, int ms)
{
	int n;

	if (stop_when && stop_when())
		loop.stop = true;
	if (loop.stop)
		return 0;
	n = epoll_wait(ep, ev, max, ms ? SETTLE_MS : 0);
	if (n == 0 && ms < 0)
		fail_msg("the loop waits for ever");
	if (n == 0)
		clock_ms += (uint64_t)ms;
	if (clock_ms >= stop_at_ms)
		loop.stop = true;
	return n;
}

#include "base/clock.h"
#define monotonic_us test_monotonic_us
#define epoll_wait   test_epoll_wait
#include "base/loop.c"
#undef epoll_wait
#undef monotonic_us
#undef EVENTS_PER_TURN

static int socket_error;
static bool is_memory_out, is_request_out;
static int add_error;

static void *failing_calloc(size_t n, size_t size)
{
	return is_memory_out ? NULL : calloc(n, size);
}

static int test_loop_add(struct loop *l, int fd, struct watch *w, uint32_t events)
{
	return add_error ? add_error : loop_add(l, fd, w, events);
}

#include "app/app.h"
#include "app/check_request.h"

static int test_app_socket(const union addr *app, bool bypass)
{
	return socket_error ? socket_error : app_socket(app, bypass);
}

static char *test_check_request(size_t *len, const struct conf_app *app,
				const struct conf_server *server)
{
	return is_request_out ? NULL : check_request(len, app, server);
}

#define calloc        failing_calloc
#define loop_add      test_loop_add
#define app_socket    test_app_socket
#define check_request test_check_request
#include "app/check_server.c"
#undef calloc
#undef loop_add
#undef app_socket
#undef check_request

/* Turns until this holds; fails after so much time of the test's clock. */
static void run_until(bool (*when)(void))
{
	loop.stop = false;
	stop_when = when;
	stop_at_ms = clock_ms + 60000;
	loop_run(&loop);
	if (!when())
		fail_msg("it did not happen; heard: %s", heard);
}

static void run_for(uint64_t ms)
{
	loop.stop = false;
	stop_when = NULL;
	stop_at_ms = clock_ms + ms;
	loop_run(&loop);
}

/* --- the far end ------------------------------------------------------------------------------ */

/* What it does with a request; the descriptor is its own to close. */
typedef void script_fn(int fd);

static struct {
	struct watch watch;
	int fd;
	uint16_t port;
	script_fn *script;
	unsigned accepted;
	int kept[64]; /* open */
	unsigned kept_count;
} far;

static void keep(int fd)
{
	assert_true(far.kept_count < 64);
	far.kept[far.kept_count++] = fd;
}

static void drop_kept(void)
{
	while (far.kept_count)
		close(far.kept[--far.kept_count]);
}

static void far_ready(struct watch *watch, uint32_t events)
{
	int fd = accept4(far.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)watch;
	(void)events;
	if (fd < 0)
		return;
	far.accepted++;
	far.script(fd);
}

/* The whole request; small ones come in one piece. */
static void hear(int fd, char *buf, size_t size)
{
	size_t n = 0;

	do {
		assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS));
		ssize_t got = recv(fd, buf + n, size - 1 - n, 0);

		assert_true(got > 0);
		n += (size_t)got;
		buf[n] = '\0';
	} while (!strstr(buf, "\r\n\r\n"));
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static char request[2048];
static struct watch later_watch;
static const char *text_now;
static int later_fd;

/* The request comes after the accept: in a later turn. */
static void later_ready(struct watch *watch, uint32_t events)
{
	(void)watch;
	(void)events;
	hear(later_fd, request, sizeof(request));
	loop_del(&loop, later_fd);
	if (text_now)
		say(later_fd, text_now);
	close(later_fd);
}

static void answer_and_close(int fd)
{
	later_watch.ready = later_ready;
	later_fd = fd;
	assert_int_equal(loop_add(&loop, fd, &later_watch, EPOLLIN), 0);
}

/* --- setting up ------------------------------------------------------------------------------- */

static struct checker checker;
static struct server *server;
static struct check_server *checked;
static struct conf_app app;
static struct conf_server conf;

static union addr addr_of(const char *text)
{
	union addr a;
	const char *why;

	assert_int_equal(addr_parse(&a, text, &why), 0);
	return a;
}

static int setup(void **state)
{
	char text[32];

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	checker = (struct checker){.loop = &loop};
	memset(&far, 0, sizeof(far));
	far.fd = net_listen(&far.port);
	far.watch.ready = far_ready;
	assert_int_equal(loop_add(&loop, far.fd, &far.watch, EPOLLIN), 0);
	snprintf(text, sizeof(text), "127.0.0.1:%u", far.port);
	conf = (struct conf_server){.addr = addr_of(text), .name = "app:1"};
	app = (struct conf_app){.name = "web",
				.check = CHECK_HTTP,
				.check_path = "/healthz",
				.check_status = {200, 399},
				.check_every_ms = 3000,
				.check_timeout_ms = 2000,
				.check_rise = 2,
				.check_fall = 3};
	server = server_new(app.name, conf.name, 1);
	heard_begin();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (checked) {
		check_server_end(checked);
		check_server_free(checked);
		checked = NULL;
	}
	heard_end();
	server_put(server);
	drop_kept();
	if (far.fd >= 0)
		close(far.fd);
	loop_fini(&loop);
	socket_error = add_error = 0;
	return 0;
}

static void begin_checks(void)
{
	checked = check_server_new(server, &app, &conf);
	assert_non_null(checked);
	check_server_begin(checked, &checker, 0);
}

static enum server_health health(void)
{
	return (enum server_health)server->health;
}

static bool is_good(void)
{
	return health() == SERVER_GOOD;
}

static bool is_bad(void)
{
	return health() == SERVER_BAD;
}

static bool is_between(void)
{
	return checked->phase == CHECK_WAITS;
}

static bool is_reading(void)
{
	return checked->phase == CHECK_READS && far.accepted;
}

static unsigned wanted;

static bool has_accepted(void)
{
	return far.accepted >= wanted && is_between();
}

/* So many more checks, to their end. */
static void checks_more(unsigned n)
{
	wanted = far.accepted + n;
	run_until(has_accepted);
}

/* --- what is good ----------------------------------------------------------------------------- */

static void the_first_good_one_is_enough(void **state)
{
	(void)state;
	text_now = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	far.script = answer_and_close;
	begin_checks();
	run_until(is_good);
	assert_int_equal(far.accepted, 1);
	assert_string_equal(heard, "info: application web: server app:1 is up: a check was good\n");
	assert_string_equal(
		request, "GET /healthz HTTP/1.1\r\nHost: app:1\r\nUser-Agent: kedge/" KEDGE_VERSION
			 " check\r\nConnection: close\r\n\r\n");
	/* It goes on, and says nothing more. */
	checks_more(3);
	assert_int_equal(heard_lines, 1);
	assert_true(is_good());
}

#define INTERIM "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

static void answers_of_many_kinds_are_good(void **state)
{
	static char huge[12000] = "HTTP/1.1 200 OK\r\nX: ";
	static const char *const all[] = {
		"HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 399 x\r\n\r\n", "HTTP/1.1 204\r\n\r\n",
		INTERIM INTERIM "HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", huge};

	(void)state;
	memset(huge + strlen(huge), 'x', sizeof(huge) - strlen(huge) - 1);
	far.script = answer_and_close;
	begin_checks();
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		text_now = all[i];
		server->health = SERVER_UNCHECKED;
		checks_more(1);
		if (!is_good())
			fail_msg("answer %zu: %s", i, heard);
	}
}

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

static void so_does_one_by_http(void **state)
{
	(void)state;
	app.send_proxy = SEND_PROXY_V1;
	text_now = "HTTP/1.1 200 OK\r\n\r\n";
	far.script = answer_and_close;
	begin_checks();
	run_until(is_good);
	assert_int_equal(strncmp(request, "PROXY UNKNOWN\r\nGET /healthz ", 28), 0);
}

static void answer_and_keep(int fd)
{
	keep(fd);
	say(fd, text_now);
}

/* The server does not close; the next check begins all the same. */
static void a_connection_that_stays_open_is_cut_when_the_next_is_due(void **state)
{
	(void)state;
	app.check_every_ms = 500;
	text_now = "HTTP/1.1 200 OK\r\n\r\nmore";
	far.script = answer_and_keep;
	begin_checks();
	checks_more(1);
	assert_true(is_good());
	checks_more(3);
	assert_true(is_good());
	assert_true(clock_ms - checked->began_ms <= 500 + 2 * LOOP_TICK_MS);
}

static uint64_t sent_bytes;

static void pour(struct watch *watch, uint32_t events)
{
	static char many[8192];
	ssize_t n;

	(void)watch;
	(void)events;
	while ((n = send(later_fd, many, sizeof(many), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		sent_bytes += (uint64_t)n;
	if (n < 0 && errno != EAGAIN)
		loop_del(&loop, later_fd);
}

static void answer_and_pour(int fd)
{
	later_watch.ready = pour;
	later_fd = fd;
	keep(fd);
	say(fd, "HTTP/1.1 200 OK\r\n\r\n");
	assert_int_equal(loop_add(&loop, fd, &later_watch, EPOLLOUT), 0);
}

/* A body without an end costs no more than the bound. */
static void a_body_is_not_read_beyond_the_bound(void **state)
{
	(void)state;
	far.script = answer_and_pour;
	begin_checks();
	checks_more(1);
	assert_true(is_good());
	assert_true(checked->got <= CHECK_ANSWER_MAX);
	assert_true(sent_bytes > CHECK_ANSWER_MAX);
}

/* --- what is bad ------------------------------------------------------------------------------ */

static void say_nothing(int fd)
{
	keep(fd);
}

static void close_at_once(int fd)
{
	close(fd);
}

static void reset(int fd)
{
	net_close_reset(fd);
	close(fd);
}

static struct timer drip_timer;
static size_t dripped;

/* One byte a second, for ever. */
static void drip(struct timer *timer)
{
	send(later_fd, &"HTTP/1.1 200 OK\r\n"[dripped++ % 14], 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	loop_timer_set(&loop, timer, 1000);
}

static void drip_slowly(int fd)
{
	keep(fd);
	later_fd = fd;
	dripped = 0;
	drip_timer.expired = drip;
	loop_timer_set(&loop, &drip_timer, 10);
}

static void falls_with(const char *why)
{
	char line[256];

	begin_checks();
	run_until(is_bad);
	snprintf(line, sizeof(line),
		 "warning: application web: server app:1 is down: %s (3 bad checks in a row)\n",
		 why);
	assert_string_equal(heard, line);
	assert_int_equal(checked->bad, 3);
}

static void nobody_answers(void **state)
{
	(void)state;
	far.script = say_nothing;
	falls_with("no answer within 2000 ms");
	assert_int_equal(far.accepted, 3);
}

static void the_status_line_drips(void **state)
{
	(void)state;
	far.script = drip_slowly;
	falls_with("no answer within 2000 ms");
	loop_timer_stop(&loop, &drip_timer);
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

static void the_server_resets(void **state)
{
	(void)state;
	far.script = reset;
	falls_with("Connection reset by peer");
}

static void the_server_closes_without_an_answer(void **state)
{
	(void)state;
	text_now = NULL;
	far.script = answer_and_close;
	falls_with("it closed the connection without an answer");
}

/* Whether it hears of the FIN or of the reset first is the kernel's choice. */
static void the_server_closes_at_once(void **state)
{
	(void)state;
	far.script = close_at_once;
	begin_checks();
	run_until(is_bad);
}

static void the_answer_is_cut(void **state)
{
	(void)state;
	text_now = "HTTP/1.1 200 OK";
	far.script = answer_and_close;
	falls_with("it closed the connection within the head of its answer");
}

static void it_is_garbage(void **state)
{
	(void)state;
	text_now = "SSH-2.0-OpenSSH_9.2\r\n";
	far.script = answer_and_close;
	falls_with("it does not answer with HTTP/1.1");
}

static void the_status_is_another(void **state)
{
	(void)state;
	text_now = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
	far.script = answer_and_close;
	falls_with("503 where 200-399 was expected");
}

static void not_even_a_good_one_if_another_is_expected(void **state)
{
	(void)state;
	app.check_status = (struct conf_range){204, 204};
	text_now = "HTTP/1.1 200 OK\r\n\r\n";
	far.script = answer_and_close;
	falls_with("200 where 204 was expected");
}

static void interim_responses_storm(void **state)
{
	static char storm[40 * sizeof(INTERIM)];

	(void)state;
	storm[0] = '\0';
	for (int i = 0; i < 40; i++)
		strcat(storm, INTERIM);
	text_now = storm;
	far.script = answer_and_close;
	falls_with("more than 32 interim responses");
}

static void a_head_never_ends(void **state)
{
	static char huge[2 * CHECK_ANSWER_MAX];

	(void)state;
	memset(huge, 'x', sizeof(huge) - 1);
	memcpy(huge, "HTTP/1.1 200 ", 13);
	text_now = huge;
	far.script = answer_and_close;
	falls_with("no status in the first 16384 bytes of its answer");
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

/* --- rise and fall ---------------------------------------------------------------------------- */

static void answer_good(void)
{
	text_now = "HTTP/1.1 200 OK\r\n\r\n";
}

static void answer_bad(void)
{
	text_now = "HTTP/1.1 500 No\r\n\r\n";
}

static void it_takes_some_in_a_row(void **state)
{
	(void)state;
	far.script = answer_and_close;
	begin_checks();
	answer_bad();
	checks_more(2);
	assert_int_equal(health(), SERVER_UNCHECKED); /* and used */
	answer_good();
	checks_more(1);
	assert_int_equal(health(), SERVER_GOOD);
	answer_bad();
	checks_more(2);
	answer_good();
	checks_more(1);
	answer_bad();
	checks_more(2);
	assert_int_equal(health(), SERVER_GOOD);
	checks_more(1);
	assert_int_equal(health(), SERVER_BAD);
	answer_good();
	checks_more(1);
	answer_bad();
	checks_more(1);
	answer_good();
	checks_more(1);
	assert_int_equal(health(), SERVER_BAD);
	heard_begin();
	checks_more(1);
	assert_int_equal(health(), SERVER_GOOD);
	assert_string_equal(heard, "info: application web: server app:1 is up: "
				   "2 checks in a row were good\n");
}

static void one_may_be_enough(void **state)
{
	(void)state;
	app.check_rise = app.check_fall = 1;
	far.script = answer_and_close;
	begin_checks();
	answer_bad();
	checks_more(1);
	assert_string_equal(heard, "warning: application web: server app:1 is down: "
				   "500 where 200-399 was expected\n");
	answer_good();
	checks_more(1);
	assert_int_equal(health(), SERVER_GOOD);
}

/* --- the operator, and what kedge lacks ------------------------------------------------------- */

static void one_that_the_operator_took_down_is_not_checked(void **state)
{
	unsigned before;

	(void)state;
	far.script = answer_and_close;
	begin_checks();
	answer_bad();
	checks_more(2);
	before = far.accepted;
	server->admin = SERVER_DOWN;
	run_for(20000);
	assert_int_equal(far.accepted, before);
	assert_int_equal(health(), SERVER_UNCHECKED);
	/* What was before does not count. */
	server->admin = SERVER_READY;
	checks_more(2);
	assert_int_equal(health(), SERVER_UNCHECKED);
	checks_more(1);
	assert_int_equal(health(), SERVER_BAD);
}

static void down_while_a_check_is_under_way(void **state)
{
	(void)state;
	app.check_fall = 1;
	far.script = say_nothing;
	begin_checks();
	run_until(is_reading);
	server->admin = SERVER_DOWN;
	run_for(4000);
	assert_int_equal(health(), SERVER_UNCHECKED);
}

static void one_that_is_drained_is_checked(void **state)
{
	(void)state;
	server->admin = SERVER_DRAIN;
	answer_good();
	far.script = answer_and_close;
	begin_checks();
	run_until(is_good);
}

static void a_lack_is_not_the_servers_fault(void **state)
{
	static const int lacks[] = {-EMFILE, -ENFILE, -ENOMEM, -ENOBUFS};

	(void)state;
	far.script = answer_and_close;
	answer_good();
	begin_checks();
	checks_more(1);
	heard_begin();
	for (size_t i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++) {
		socket_error = lacks[i];
		run_for(8000);
	}
	assert_int_equal(health(), SERVER_GOOD);
	assert_int_equal(checked->bad, 0);
	assert_true(heard_lines >= 2 && heard_lines <= 4);
	assert_heard("warning: application web: server app:1 cannot be checked now, and stays what "
		     "it is: Too many open files\n");
	socket_error = 0;
	add_error = -ENOSPC;
	far.script = close_at_once;
	run_for(8000);
	assert_int_equal(checked->bad, 0);
	add_error = 0;
	far.script = answer_and_close;
	checks_more(1);
	assert_true(is_good());
}

/* A real one: no number is left for a descriptor. */
static void not_even_when_there_is_no_descriptor_left(void **state)
{
	struct rlimit before, none;

	(void)state;
	far.script = answer_and_close;
	answer_good();
	begin_checks();
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	run_for(20000);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(health(), SERVER_UNCHECKED);
	assert_int_equal(checked->bad, 0);
	assert_int_equal(checked->fd, -1);
	run_until(is_good);
}

static void without_memory_there_is_no_check(void **state)
{
	(void)state;
	is_memory_out = true;
	assert_null(check_server_new(server, &app, &conf));
	is_memory_out = false;
	is_request_out = true;
	assert_null(check_server_new(server, &app, &conf));
	is_request_out = false;
	assert_int_equal(server->refs, 1);
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

#define checks_of(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		checks_of(the_first_good_one_is_enough),
		checks_of(answers_of_many_kinds_are_good),
		checks_of(by_tcp_a_connection_is_enough),
		checks_of(a_check_by_tcp_sends_the_proxy_header),
		checks_of(so_does_one_by_http),
		checks_of(a_connection_that_stays_open_is_cut_when_the_next_is_due),
		checks_of(a_body_is_not_read_beyond_the_bound),
		checks_of(nobody_answers),
		checks_of(the_status_line_drips),
		checks_of(the_server_is_not_there),
		checks_of(this_host_has_no_such_addresses),
		checks_of(the_server_resets),
		checks_of(the_server_closes_without_an_answer),
		checks_of(the_server_closes_at_once),
		checks_of(the_answer_is_cut),
		checks_of(it_is_garbage),
		checks_of(the_status_is_another),
		checks_of(not_even_a_good_one_if_another_is_expected),
		checks_of(interim_responses_storm),
		checks_of(a_head_never_ends),
		checks_of(the_queue_of_a_unix_socket_is_full),
		checks_of(room_within_the_time_of_a_check_is_soon_enough),
		checks_of(a_unix_socket_is_not_there),
		checks_of(it_takes_some_in_a_row),
		checks_of(one_may_be_enough),
		checks_of(one_that_the_operator_took_down_is_not_checked),
		checks_of(down_while_a_check_is_under_way),
		checks_of(one_that_is_drained_is_checked),
		checks_of(a_lack_is_not_the_servers_fault),
		checks_of(not_even_when_there_is_no_descriptor_left),
		checks_of(without_memory_there_is_no_check),
		checks_of(an_end_in_the_middle_counts_as_nothing),
		checks_of(any_change_makes_it_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
