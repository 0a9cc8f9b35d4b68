/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mainloop.c: signals, commands at the control socket, and when the loop ends. Workers, reloads and
 * the socket's protocol are fakes; signals are real, sent to this thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "access/access_log.h"
#include "daemon/control.h"
#include "daemon/daemon.h"
#include "daemon/notify.h"
#include "daemon/reload.h"
#include "daemon/server_command.h"
#include "daemon/status.h"
#include "tests/lib/heard.h"
#include "tests/lib/loading.h"

#define WORKERS 2

static struct daemon kedge;
static struct worker crew[WORKERS];
static char events[1024];
static int turns_left;  /* until the workers end by themselves */
static int serve_err;   /* of control_serve() */
static int signal_next; /* sent in the second turn; 0: none */

static void event(const char *text)
{
	strcat(events, text);
	strcat(events, " ");
}

static void end_workers(void)
{
	for (int i = 0; i < WORKERS; i++)
		crew[i].ended = true;
}

static void fake_drain(struct worker *w)
{
	event(w == &crew[0] ? "drain0" : "drain1");
}

static json_t *fake_reload(struct daemon *daemon)
{
	assert_ptr_equal(daemon, &kedge);
	event("reload");
	return json_pack("{s:b}", "ok", 1);
}

static json_t *fake_status(const struct daemon *daemon)
{
	assert_ptr_equal(daemon, &kedge);
	return json_pack("{s:i}", "flows", 7);
}

static uint64_t open_now;

static uint64_t fake_open(const struct daemon *daemon)
{
	assert_ptr_equal(daemon, &kedge);
	return open_now;
}

static json_t *fake_server(const struct generation *g, const char *args)
{
	assert_ptr_equal(g, kedge.generation);
	return json_pack("{s:s}", "args", args);
}

static void fake_reopen(struct access_log *log)
{
	event("reopen");
}

static void fake_closing(struct worker *w)
{
	event(w == &crew[0] ? "close0" : "close1");
}

static void fake_stopping(const char *what, uint64_t left_ms)
{
	char text[32];

	snprintf(text, sizeof(text), "%.8s:%llu", what, (unsigned long long)left_ms);
	event(text);
}

static json_t *(*answers)(const char *command, void *arg); /* mainloop.c's */

static int fake_serve(int fd, json_t *(*answer)(const char *command, void *arg), void *arg)
{
	assert_int_equal(fd, kedge.control_fd);
	assert_ptr_equal(arg, &kedge);
	answers = answer;
	event("serve");
	return serve_err;
}

static int fake_watchdog_wait(const struct watchdog *dog)
{
	return 1;
}

/* Once a turn. */
static void fake_watchdog_run(struct watchdog *dog, struct worker *workers, unsigned count)
{
	assert_ptr_equal(workers, crew);
	assert_int_equal(count, WORKERS);
	if (signal_next && turns_left < 3) {
		pthread_kill(pthread_self(), signal_next);
		signal_next = 0;
	}
	if (--turns_left == 0)
		end_workers();
}

static int guard_waits = -1;

static int fake_guard_wait(const struct guard *g)
{
	return guard_waits;
}

static void fake_guard_run(struct guard *g)
{
}

static int last_wait, last_control_fd;

/* poll(2) of the loop: what it would wait, and what it listens to. */
static int fake_poll(struct pollfd *fds, nfds_t n, int ms)
{
	assert_int_equal(n, 3);
	last_wait = ms;
	last_control_fd = fds[2].fd;
	return poll(fds, n, ms > 0 ? 1 : ms);
}

#define worker_drain      fake_drain
#define worker_closing    fake_closing
#define reload            fake_reload
#define status_json       fake_status
#define status_open       fake_open
#define server_command    fake_server
#define access_log_reopen fake_reopen
#define notify_stopping   fake_stopping
#define control_serve     fake_serve
#define watchdog_wait_ms  fake_watchdog_wait
#define watchdog_run      fake_watchdog_run
#define guard_wait_ms     fake_guard_wait
#define guard_run         fake_guard_run
#define poll(fds, n, ms)  fake_poll(fds, n, ms)
#include "daemon/mainloop.c"
#undef reload
#undef poll

static struct conf *conf;
static struct tally tally, *tallies[] = {&tally};
static struct generation generation;
static int control[2];

static int begin(void **state)
{
	if (loading_begin(state))
		return -1;
	conf = must_load(NULL, FINE "--drain-timeout-ms 5000");
	return 0;
}

static int end(void **state)
{
	config_free(conf);
	return loading_end(state);
}

static int setup(void **state)
{
	(void)state;
	memset(&kedge, 0, sizeof(kedge));
	memset(crew, 0, sizeof(crew));
	crew[0].started = crew[1].started = true;
	kedge.conf = conf;
	tally = (struct tally){0};
	generation = (struct generation){.refs = 1, .conf = conf, .tallies = tallies};
	kedge.generation = &generation;
	kedge.workers = crew;
	kedge.workers_made = WORKERS;
	kedge.shared.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	kedge.signal_fd = mainloop_signals();
	if (pipe2(control, O_CLOEXEC | O_NONBLOCK))
		return -1;
	kedge.control_fd = control[0];
	events[0] = '\0';
	turns_left = 3;
	serve_err = signal_next = 0;
	open_now = 0;
	guard_waits = -1;
	answers = NULL;
	heard_begin();
	return kedge.signal_fd < 0;
}

static int teardown(void **state)
{
	struct signalfd_siginfo info;

	(void)state;
	heard_end();
	while (read(kedge.signal_fd, &info, sizeof(info)) > 0)
		;
	close(kedge.signal_fd);
	close(kedge.shared.done_fd);
	close(control[0]);
	close(control[1]);
	return 0;
}

static void send_signal(int number)
{
	pthread_kill(pthread_self(), number);
}

/* --- signals ---------------------------------------------------------------------------------- */

static void each_signal_that_ends_it_drains(void **state)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT};

	for (size_t i = 0; i < 3; i++) {
		if (i) {
			teardown(state);
			setup(state);
		}
		send_signal(numbers[i]);
		assert_int_equal(mainloop_run(&kedge), 0);
		assert_string_equal(events, "draining:5000 drain0 drain1 ");
		assert_true(kedge.draining);
		assert_string_equal(heard, "info: draining: no new connections; none is open\n");
	}
}

/* Who waits for the end learns for what, and how not to wait. */
static void the_drain_says_what_it_waits_for(void **state)
{
	static const struct {
		uint64_t open;
		uint32_t ms;
		const char *said;
	} cases[] = {
		{1, 5000,
		 "up to 5 s for 1 open connection (the same signal again ends it at once)\n"},
		{2, 1500,
		 "up to 1500 ms for 2 open connections (the same signal again ends it at once)\n"},
		{7, 200,
		 "up to 200 ms for 7 open connections (the same signal again ends it at once)\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf patient = *conf;

		teardown(state);
		setup(state);
		patient.drain_timeout_ms = cases[i].ms;
		kedge.conf = &patient;
		open_now = cases[i].open;
		send_signal(SIGINT);
		assert_int_equal(mainloop_run(&kedge), 0);
		assert_heard("info: draining: no new connections; ");
		assert_heard(cases[i].said);
	}
}

static void a_second_one_ends_it_at_once(void **state)
{
	(void)state;
	send_signal(SIGTERM);
	signal_next = SIGINT;
	assert_int_equal(mainloop_run(&kedge), -EINTR);
	assert_string_equal(events, "draining:5000 drain0 drain1 ");
	assert_heard("error: second signal 2: not waiting any longer\n");
	assert_false(crew[0].ended);
}

static void hup_reloads_unless_it_drains(void **state)
{
	(void)state;
	send_signal(SIGHUP);
	signal_next = SIGTERM;
	assert_int_equal(mainloop_run(&kedge), 0);
	assert_string_equal(events, "reload draining:5000 drain0 drain1 ");
	teardown(state);
	setup(state);
	send_signal(SIGTERM);
	signal_next = SIGHUP;
	assert_int_equal(mainloop_run(&kedge), 0);
	assert_string_equal(events, "draining:5000 drain0 drain1 ");
	assert_heard("warning: draining: no reload any more\n");
}

static void someone_asks(void)
{
	assert_int_equal(write(control[1], "x", 1), 1);
}

static bool is_ok(json_t *answer)
{
	bool ok = json_is_true(json_object_get(answer, "ok"));

	json_decref(answer);
	return ok;
}

/* --- the delay -------------------------------------------------------------------------------- */

static struct conf delayed;

static void delay(uint32_t ms)
{
	delayed = *conf;
	delayed.shutdown_delay_ms = ms;
	kedge.conf = &delayed;
}

static void a_delay_goes_before_the_drain(void **state)
{
	(void)state;
	delay(5);
	turns_left = 50;
	send_signal(SIGTERM);
	assert_int_equal(mainloop_run(&kedge), 0);
	assert_string_equal(events, "shutting:5005 close0 close1 draining:5000 drain0 drain1 ");
	assert_true(kedge.stopping && kedge.draining);
	assert_string_equal(heard,
			    "info: shutting down: not ready any more, but clients are served for "
			    "5 ms (shutdown-delay-ms; a second signal ends the wait)\n"
			    "info: draining: no new connections; none is open\n");
}

static void until_then_it_is_as_before(void **state)
{
	(void)state;
	delay(86400000);
	send_signal(SIGQUIT);
	signal_next = SIGHUP;
	someone_asks();
	assert_int_equal(mainloop_run(&kedge), -EIO);
	assert_string_equal(events, "shutting:86405000 close0 close1 serve serve serve ");
	assert_true(kedge.stopping && !kedge.draining);
	assert_heard("warning: shutting down: no reload any more\n");
	assert_false(is_ok(answers("reload", &kedge)));
}

static void a_second_signal_skips_the_delay(void **state)
{
	(void)state;
	delay(86400000);
	turns_left = 3;
	send_signal(SIGTERM);
	signal_next = SIGINT;
	assert_int_equal(mainloop_run(&kedge), 0);
	assert_string_equal(events, "shutting:86405000 close0 close1 draining:5000 drain0 drain1 ");
	assert_heard("info: second signal 2: not waiting for the rest of shutdown-delay-ms\n");
	send_signal(SIGTERM);
	crew[0].ended = false;
	turns_left = 3;
	assert_int_equal(mainloop_run(&kedge), -EINTR); /* the third one */
}

static void the_delay_is_a_time_to_wait_for(void **state)
{
	(void)state;
	assert_int_equal(delay_wait_ms(&kedge, 7), -1);
	kedge.drain_at_ms = 10;
	assert_int_equal(delay_wait_ms(&kedge, 7), 3);
	assert_int_equal(delay_wait_ms(&kedge, 10), 0);
	assert_int_equal(delay_wait_ms(&kedge, 11), 0);
}

static void usr1_reopens_the_access_log(void **state)
{
	(void)state;
	send_signal(SIGUSR1); /* there is none: no matter */
	signal_next = SIGTERM;
	assert_int_equal(mainloop_run(&kedge), 0);
	assert_string_equal(events, "draining:5000 drain0 drain1 ");
	teardown(state);
	setup(state);
	kedge.shared.access = (struct access_log *)&kedge;
	send_signal(SIGUSR1);
	signal_next = SIGTERM;
	assert_int_equal(mainloop_run(&kedge), 0);
	assert_string_equal(events, "reopen draining:5000 drain0 drain1 ");
}

/* They would end the process, requests and all. */
static void other_signals_do_nothing(void **state)
{
	static const int numbers[] = {SIGPIPE, SIGUSR2, SIGALRM,   SIGVTALRM, SIGPROF,
				      SIGIO,   SIGPWR,  SIGSTKFLT, SIGXFSZ};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		send_signal(numbers[i]);
	for (int i = SIGRTMIN; i <= SIGRTMAX; i++)
		send_signal(i);
	send_signal(SIGTERM);
	assert_int_equal(mainloop_run(&kedge), 0);
	assert_string_equal(events, "draining:5000 drain0 drain1 ");
}

/* --- the end ---------------------------------------------------------------------------------- */

static void workers_that_end_by_themselves_are_an_error(void **state)
{
	(void)state;
	assert_int_equal(mainloop_run(&kedge), -EIO);
	assert_string_equal(events, "");
	assert_string_equal(heard, "error: all workers have ended: a fault of kedge, "
				   "please report it\n");
}

static void it_goes_on_while_one_worker_runs(void **state)
{
	(void)state;
	crew[0].ended = true;
	turns_left = 4;
	send_signal(SIGTERM);
	assert_int_equal(mainloop_run(&kedge), 0);
	assert_int_equal(turns_left, 0);
}

static void done_fd_is_read_so_that_it_does_not_spin(void **state)
{
	uint64_t n = 1;

	(void)state;
	assert_int_equal(write(kedge.shared.done_fd, &n, sizeof(n)), sizeof(n));
	send_signal(SIGTERM);
	assert_int_equal(mainloop_run(&kedge), 0);
	assert_int_equal(read(kedge.shared.done_fd, &n, sizeof(n)), -1);
	assert_int_equal(errno, EAGAIN);
}

/* --- what the log has left out ---------------------------------------------------------------- */

static struct log_quota *left_out(uint64_t said_ms)
{
	struct log_quota *q = &tally.quotas[KEDGE_REASON_prefix_bad];

	*q = (struct log_quota){.said_ms = said_ms, .left_out = 3};
	return q;
}

static void a_sweep_says_what_is_over(void **state)
{
	struct log_quota *q = left_out(monotonic_ms());
	struct pollfd p = {.fd = 0};

	(void)state;
	say_left_out(&kedge, monotonic_ms());
	assert_int_equal(q->left_out, 3);
	say_left_out(&kedge, monotonic_ms() + 61000);
	assert_heard("prefix_bad: 3 lines were left out: malformed PROXY prefix\n");
	say_left_out(&kedge, monotonic_ms() + 61000);
	assert_int_equal(heard_lines, 1);
	guard_waits = -1;
	assert_in_range(wait_ms(&kedge, &p), 0, SWEEP_MS);
}

static void so_does_the_end(void **state)
{
	(void)state;
	left_out(monotonic_ms());
	send_signal(SIGTERM);
	assert_int_equal(mainloop_run(&kedge), 0);
	assert_heard("prefix_bad: 3 lines were left out: malformed PROXY prefix\n");
	assert_int_equal(heard_lines, 2);
}

/* --- the control socket ----------------------------------------------------------------------- */

static void commands_are_answered(void **state)
{
	json_t *reply;

	(void)state;
	someone_asks();
	assert_int_equal(mainloop_run(&kedge), -EIO);
	assert_non_null(answers);
	reply = answers("status", &kedge);
	assert_int_equal(json_integer_value(json_object_get(reply, "flows")), 7);
	json_decref(reply);
	events[0] = '\0';
	assert_true(is_ok(answers("reload", &kedge)));
	assert_string_equal(events, "reload ");
	reply = answers("server", &kedge);
	assert_string_equal(json_string_value(json_object_get(reply, "args")), "");
	json_decref(reply);
	reply = answers("server web/unix:/a b drain", &kedge);
	assert_string_equal(json_string_value(json_object_get(reply, "args")),
			    "web/unix:/a b drain");
	json_decref(reply);
	assert_null(answers("servers", &kedge));
	assert_null(answers("", &kedge));
	assert_null(answers("status ", &kedge));
	assert_null(answers("Reload", &kedge));
	kedge.stopping = true;
	events[0] = '\0';
	reply = answers("reload", &kedge);
	assert_string_equal(json_string_value(json_object_get(reply, "error")),
			    "shutting down: no reload any more");
	assert_false(is_ok(reply));
	assert_string_equal(events, "");
	reply = answers("status", &kedge);
	assert_non_null(reply);
	json_decref(reply);
}

/* Out of descriptors the socket stays readable: a loop that serves it each turn would spin. */
static void a_socket_that_cannot_be_served_is_left_alone(void **state)
{
	(void)state;
	someone_asks();
	serve_err = -EMFILE;
	turns_left = 5;
	assert_int_equal(mainloop_run(&kedge), -EIO);
	assert_string_equal(events, "serve ");
	assert_int_equal(last_control_fd, -1);
	/* And is served again when the pause is over. */
	crew[0].ended = crew[1].ended = false;
	kedge.control_again_ms = 0;
	serve_err = 0;
	events[0] = '\0';
	turns_left = 2;
	assert_int_equal(mainloop_run(&kedge), -EIO);
	assert_string_equal(events, "serve serve ");
	assert_int_equal(last_control_fd, control[0]);
}

static void without_a_socket_nothing_is_served(void **state)
{
	(void)state;
	kedge.control_fd = -1;
	assert_int_equal(mainloop_run(&kedge), -EIO);
	assert_string_equal(events, "");
	assert_int_equal(last_control_fd, -1);
}

/* --- how long it waits ------------------------------------------------------------------------ */

static void the_soonest_time_counts(void **state)
{
	struct pollfd p = {.fd = 0};

	(void)state;
	assert_int_equal(sooner(-1, -1), -1);
	assert_int_equal(sooner(-1, 0), 0);
	assert_int_equal(sooner(0, -1), 0);
	assert_int_equal(sooner(5, 3), 3);
	assert_int_equal(sooner(3, 5), 3);
	guard_waits = 0;
	assert_int_equal(wait_ms(&kedge, &p), 0);
	guard_waits = 500;
	assert_int_equal(wait_ms(&kedge, &p), 1); /* the watchdog's */
	assert_int_equal(p.fd, kedge.control_fd);
	kedge.control_again_ms = monotonic_ms() + 100000;
	p.revents = POLLIN; /* of the turn before */
	assert_int_equal(wait_ms(&kedge, &p), 1);
	assert_int_equal(p.fd, -1);
	assert_int_equal(p.revents, 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_signal_that_ends_it_drains),
		TEST(the_drain_says_what_it_waits_for),
		TEST(a_second_one_ends_it_at_once),
		TEST(hup_reloads_unless_it_drains),
		TEST(a_delay_goes_before_the_drain),
		TEST(until_then_it_is_as_before),
		TEST(a_second_signal_skips_the_delay),
		TEST(the_delay_is_a_time_to_wait_for),
		TEST(usr1_reopens_the_access_log),
		TEST(other_signals_do_nothing),
		TEST(workers_that_end_by_themselves_are_an_error),
		TEST(it_goes_on_while_one_worker_runs),
		TEST(done_fd_is_read_so_that_it_does_not_spin),
		TEST(a_sweep_says_what_is_over),
		TEST(so_does_the_end),
		TEST(commands_are_answered),
		TEST(a_socket_that_cannot_be_served_is_left_alone),
		TEST(without_a_socket_nothing_is_served),
		TEST(the_soonest_time_counts),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
