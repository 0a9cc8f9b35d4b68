/* SPDX-License-Identifier: BSD-2-Clause */
/* checks.c: when there is a thread, what it checks, and what a reload keeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/lib/heard.h"
#include "tests/lib/net.h"

static unsigned callocs_left = UINT32_MAX;
static int create_error;

static void *failing_calloc(size_t n, size_t size)
{
	return callocs_left-- ? calloc(n, size) : NULL;
}

static int failing_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg)
{
	return create_error ? create_error : pthread_create(t, a, run, arg);
}

#include "app/check_server.h"

static bool is_server_out;

static struct check_server *failing_server_new(struct server *s, const struct conf_app *a,
					       const struct conf_server *c)
{
	return is_server_out ? NULL : check_server_new(s, a, c);
}

#define calloc           failing_calloc
#define pthread_create   failing_create
#define check_server_new failing_server_new
#include "app/checks.c"
#undef calloc
#undef pthread_create
#undef check_server_new

/* --- applications ----------------------------------------------------------------------------- */

static struct conf_server all[3][CONFIG_SERVERS_MAX];
static struct conf_app confs[3];
static struct servers apps[3];
static struct checks *checks;
static int listener;
static uint16_t port;

/* Servers of application `i`, all at the listener's address. */
static void make_app(int i, size_t count, enum conf_check check)
{
	confs[i] = (struct conf_app){.servers = {all[i], count},
				     .check = check,
				     .check_path = "/",
				     .check_status = {200, 399},
				     .check_every_ms = 100,
				     .check_timeout_ms = 20000,
				     .check_rise = 1,
				     .check_fall = 1};
	snprintf(confs[i].name, sizeof(confs[i].name), "app%d", i);
	for (size_t k = 0; k < count; k++) {
		all[i][k] = (struct conf_server){
			.addr.in = {.sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
		snprintf(all[i][k].name, sizeof(all[i][k].name), "server%zu:1", k);
	}
}

static void make_servers(int i)
{
	assert_int_equal(servers_init(&apps[i], &confs[i], 1), 0);
}

static int setup(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	memset(apps, 0, sizeof(apps));
	listener = net_listen(&port);
	checks = checks_new();
	return checks ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	checks_close(checks);
	for (int i = 0; i < 3; i++)
		servers_fini(&apps[i]);
	if (listener >= 0)
		close(listener);
	return 0;
}

static unsigned threads(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static unsigned threads_before;

static void put_in_force(const struct servers *set, size_t count)
{
	assert_int_equal(checks_prepare(checks, set, count), 0);
	checks_commit(checks);
}

static unsigned health_of_server(const struct server *s)
{
	return __atomic_load_n(&s->health, __ATOMIC_RELAXED);
}

/* Another thread decides; what it waits for is no event of ours. */
static void becomes(const struct server *s, unsigned health)
{
	uint64_t until = monotonic_ms() + NET_PATIENCE_MS;

	while (health_of_server(s) != health) {
		if (monotonic_ms() > until)
			fail_msg("server %s: %u", s->name, health_of_server(s));
		poll(NULL, 0, 1);
	}
}

static int accept_one(void)
{
	assert_true(net_wait(listener, POLLIN, NET_PATIENCE_MS));
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void nothing_to_check_needs_no_thread(void **state)
{
	(void)state;
	threads_before = threads();
	make_app(0, 2, CHECK_OFF);
	make_servers(0);
	put_in_force(apps, 1);
	assert_int_equal(threads(), threads_before);
	assert_int_equal(health_of_server(apps[0].set[0]), SERVER_UNCHECKED);
	put_in_force(NULL, 0);
	assert_int_equal(threads(), threads_before);
}

static void all_servers_of_all_applications_are_checked(void **state)
{
	(void)state;
	make_app(0, CONFIG_SERVERS_MAX, CHECK_TCP);
	make_app(1, 3, CHECK_OFF);
	make_app(2, 2, CHECK_TCP);
	for (int i = 0; i < 3; i++)
		make_servers(i);
	close(listener);
	listener = -1;
	put_in_force(apps, 3);
	for (size_t k = 0; k < CONFIG_SERVERS_MAX; k++)
		becomes(apps[0].set[k], SERVER_BAD);
	becomes(apps[2].set[0], SERVER_BAD);
	becomes(apps[2].set[1], SERVER_BAD);
	assert_int_equal(health_of_server(apps[1].set[0]), SERVER_UNCHECKED);
}

/* They do not all begin in one tick of the loop. */
static void their_beginnings_are_spread(void **state)
{
	struct check_server *s;
	unsigned first = 0, n = 0;
	struct plan *p;

	(void)state;
	make_app(0, CONFIG_SERVERS_MAX, CHECK_TCP);
	confs[0].check_every_ms = 60000;
	make_servers(0);
	assert_int_equal(loop_init(&checks->loop), 0);
	p = plan_new(apps, 1);
	take_plan(checks, p);
	TAILQ_FOREACH(s, &checks->set, link) {
		assert_true(s->timer.due_ms < checks->loop.now_ms + SPREAD_MS);
		first += s->timer.due_ms < checks->loop.now_ms + LOOP_TICK_MS;
		n++;
	}
	assert_int_equal(n, CONFIG_SERVERS_MAX);
	assert_true(first <= 4);
}

/* The mask of blocked signals of the thread with this name; 0: there is no such thread. */
static unsigned long long blocked_by(const char *name)
{
	unsigned long long blocked = 0;
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;

	while ((e = readdir(d)) && !blocked) {
		char path[300], line[256];
		bool is_it = false;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f)) {
			is_it |= !strncmp(line, "Name:\t", 6) &&
				 !strncmp(line + 6, name, strlen(name));
			if (is_it)
				sscanf(line, "SigBlk: %llx", &blocked);
		}
		if (f)
			fclose(f);
	}
	closedir(d);
	return blocked;
}

/* The thread gets none of the signals that the main thread waits for. */
static void it_inherits_the_blocked_signals(void **state)
{
	sigset_t some, before;

	(void)state;
	sigemptyset(&some);
	sigaddset(&some, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &some, &before);
	make_app(0, 1, CHECK_TCP);
	make_servers(0);
	put_in_force(apps, 1);
	becomes(apps[0].set[0], SERVER_GOOD);
	assert_true(blocked_by("kedge/checks") & 1ull << (SIGHUP - 1));
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void it_ends_in_the_middle_of_checks(void **state)
{
	int fd;

	(void)state;
	make_app(0, 1, CHECK_HTTP);
	make_servers(0);
	put_in_force(apps, 1);
	fd = accept_one();
	checks_close(checks);
	checks = NULL;
	assert_int_equal(apps[0].set[0]->refs, 1);
	assert_int_equal(health_of_server(apps[0].set[0]), SERVER_UNCHECKED);
	close(fd);
}

/* --- reloads ---------------------------------------------------------------------------------- */

/* As a generation does it: its own objects, or those of the one before. */
static void next_generation(struct servers *next, const struct conf_app *conf)
{
	assert_int_equal(servers_init(next, conf, 1), 0);
	servers_inherit(next, &apps[0]);
	put_in_force(next, 1);
	servers_fini(&apps[0]);
	apps[0] = *next;
}

/* Nothing happens to this end of a connection, but for bytes that were sent before. */
static bool is_silent(int fd)
{
	char buf[1024];

	while (net_wait(fd, POLLIN, NET_QUIET_MS))
		if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) <= 0)
			return false;
	return true;
}

static void a_check_under_way_goes_on_if_nothing_has_changed(void **state)
{
	struct servers next;
	struct server *server;
	int fd;

	(void)state;
	make_app(0, 1, CHECK_HTTP);
	make_servers(0);
	put_in_force(apps, 1);
	fd = accept_one();
	server = apps[0].set[0];
	for (int i = 0; i < 3; i++)
		next_generation(&next, &confs[0]);
	assert_ptr_equal(apps[0].set[0], server);
	assert_true(is_silent(fd));
	assert_int_equal(send(fd, "HTTP/1.1 200 OK\r\n\r\n", 19, MSG_NOSIGNAL), 19);
	becomes(server, SERVER_GOOD);
	close(fd);
}

static void a_change_begins_another_check_and_keeps_the_state(void **state)
{
	struct servers next;
	int fd, other;

	(void)state;
	make_app(0, 1, CHECK_HTTP);
	make_servers(0);
	put_in_force(apps, 1);
	fd = accept_one();
	assert_int_equal(send(fd, "HTTP/1.1 500 No\r\n\r\n", 19, MSG_NOSIGNAL), 19);
	becomes(apps[0].set[0], SERVER_BAD);
	close(fd);
	fd = accept_one();
	confs[1] = confs[0];
	confs[1].check_path = "/other";
	next_generation(&next, &confs[1]);
	assert_int_equal(health_of_server(apps[0].set[0]), SERVER_BAD);
	other = accept_one();
	assert_false(is_silent(fd));
	assert_int_equal(send(other, "HTTP/1.1 200 OK\r\n\r\n", 19, MSG_NOSIGNAL), 19);
	becomes(apps[0].set[0], SERVER_GOOD);
	close(fd);
	close(other);
}

/* It takes fall bad ones in a row, some of them before the reload. */
static void so_do_the_counts(void **state)
{
	struct check_server *s;

	(void)state;
	make_app(0, 2, CHECK_TCP);
	make_servers(0);
	assert_int_equal(loop_init(&checks->loop), 0);
	take_plan(checks, plan_new(apps, 1));
	TAILQ_FOREACH(s, &checks->set, link)
		s->bad = 1;
	confs[0].check_fall = 3;
	all[0][1].addr.in.sin_port = htons(1);
	take_plan(checks, plan_new(apps, 1));
	TAILQ_FOREACH(s, &checks->set, link) {
		assert_int_equal(s->bad, 1);
		assert_int_equal(s->fall, 3);
	}
}

static void check_off_makes_a_server_unchecked(void **state)
{
	struct servers next;

	(void)state;
	threads_before = threads();
	make_app(0, 1, CHECK_TCP);
	make_app(1, 1, CHECK_TCP);
	make_servers(0);
	make_servers(1);
	put_in_force(apps, 2);
	becomes(apps[0].set[0], SERVER_GOOD);
	becomes(apps[1].set[0], SERVER_GOOD);
	assert_int_equal(threads(), threads_before + 1);
	confs[0].check = CHECK_OFF;
	put_in_force(apps, 2);
	becomes(apps[0].set[0], SERVER_UNCHECKED);
	assert_int_equal(health_of_server(apps[1].set[0]), SERVER_GOOD);
	/* The last one: no thread is left, and it begins again. */
	confs[1].check = CHECK_OFF;
	put_in_force(apps, 2);
	assert_int_equal(health_of_server(apps[1].set[0]), SERVER_UNCHECKED);
	assert_int_equal(threads(), threads_before);
	confs[0].check = CHECK_TCP;
	next_generation(&next, &confs[0]);
	becomes(apps[0].set[0], SERVER_GOOD);
}

static void a_server_that_is_removed_is_left_alone(void **state)
{
	struct server *removed;

	(void)state;
	make_app(0, 1, CHECK_TCP);
	make_app(1, 1, CHECK_TCP);
	make_servers(0);
	make_servers(1);
	put_in_force(apps, 2);
	removed = server_get(apps[0].set[0]);
	becomes(removed, SERVER_GOOD);
	servers_fini(&apps[0]);
	put_in_force(&apps[1], 1);
	while (__atomic_load_n(&removed->refs, __ATOMIC_ACQUIRE) > 1)
		poll(NULL, 0, 1);
	server_put(removed);
}

/* A reload that is refused leaves everything as it was. */
static void what_is_cancelled_leaves_no_trace(void **state)
{
	(void)state;
	threads_before = threads();
	make_app(0, 1, CHECK_TCP);
	make_servers(0);
	assert_int_equal(checks_prepare(checks, apps, 1), 0);
	checks_cancel(checks);
	assert_int_equal(threads(), threads_before);
	assert_int_equal(apps[0].set[0]->refs, 1);
	put_in_force(apps, 1);
	becomes(apps[0].set[0], SERVER_GOOD);
	assert_int_equal(checks_prepare(checks, NULL, 0), 0);
	checks_cancel(checks);
	__atomic_store_n(&apps[0].set[0]->health, SERVER_BAD, __ATOMIC_RELAXED);
	becomes(apps[0].set[0], SERVER_GOOD);
	checks_cancel(checks); /* of nothing */
}

/* --- what can fail ---------------------------------------------------------------------------- */

static void without_memory_there_is_an_error(void **state)
{
	(void)state;
	make_app(0, 2, CHECK_TCP);
	make_servers(0);
	heard_begin();
	for (unsigned left = 0; left < 2; left++) {
		callocs_left = left;
		assert_int_equal(checks_prepare(checks, apps, 1), -ENOMEM);
		callocs_left = UINT32_MAX;
		checks_cancel(checks);
	}
	is_server_out = true;
	assert_int_equal(checks_prepare(checks, apps, 1), -ENOMEM);
	is_server_out = false;
	checks_cancel(checks);
	create_error = EAGAIN;
	assert_int_equal(checks_prepare(checks, apps, 1), -EAGAIN);
	create_error = 0;
	heard_end();
	assert_heard("error: checks: the thread cannot be started: "
		     "Resource temporarily unavailable\n");
	checks_cancel(checks);
	assert_int_equal(apps[0].set[0]->refs, 1);
	put_in_force(apps, 1);
	becomes(apps[0].set[0], SERVER_GOOD);
	callocs_left = 0;
	assert_null(checks_new());
	callocs_left = UINT32_MAX;
	checks_close(NULL);
}

#define checks_of(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		checks_of(nothing_to_check_needs_no_thread),
		checks_of(all_servers_of_all_applications_are_checked),
		checks_of(their_beginnings_are_spread),
		checks_of(it_inherits_the_blocked_signals),
		checks_of(it_ends_in_the_middle_of_checks),
		checks_of(a_check_under_way_goes_on_if_nothing_has_changed),
		checks_of(a_change_begins_another_check_and_keeps_the_state),
		checks_of(so_do_the_counts),
		checks_of(check_off_makes_a_server_unchecked),
		checks_of(a_server_that_is_removed_is_left_alone),
		checks_of(what_is_cancelled_leaves_no_trace),
		checks_of(without_memory_there_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
