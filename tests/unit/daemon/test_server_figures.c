/* SPDX-License-Identifier: BSD-2-Clause */
/* server_figures.c: servers for the metrics, of the generation in force, while it is replaced. */
#include "servers_rig.h"

#include <pthread.h>

#include "base/clock.h"
#include "daemon/server_figures.h"

static struct server_figures figures = {.lock = PTHREAD_MUTEX_INITIALIZER};
static char told[1024];

static void tell(void *arg, const struct metrics_app_server *s)
{
	size_t len = strlen(told);

	assert_ptr_equal(arg, &figures);
	snprintf(told + len, sizeof(told) - len, "%s %s %d %d %d %d %d %d\n", s->application,
		 s->server, s->up, s->ready, (int)s->connections, (int)s->busy, (int)s->connects,
		 (int)s->failures);
}

static const char *all_of_them(void)
{
	told[0] = '\0';
	server_figures_each(&figures, tell, &figures);
	return told;
}

static void there_are_none_before_and_after(void **state)
{
	(void)state;
	assert_string_equal(all_of_them(), "");
	server_figures_set(&figures, generation);
	assert_string_not_equal(all_of_them(), "");
	server_figures_set(&figures, NULL);
	assert_string_equal(all_of_them(), "");
	assert_int_equal(generation->refs, 1);
}

static void each_has_its_sums(void **state)
{
	(void)state;
	server_figures_set(&figures, generation);
	server_enter(server_at(0, 0), 0);
	server_worked(server_at(0, 0), 0, 1);
	server_worked(server_at(0, 0), 1, 1);
	server_failed(server_at(0, 0), 1, 1, "x");
	server_at(0, 0)->rows[1].busy = 6;
	server_set_admin(server_at(0, 1), SERVER_DRAIN, 1);
	server_set_health(server_at(0, 2), SERVER_BAD, 1, "x");
	assert_string_equal(all_of_them(), "web 10.0.0.1:80 1 1 1 6 2 1\n"
					   "web unix:/run/a b/web.sock 0 0 0 0 0 0\n"
					   "web 10.0.0.9:80 0 1 0 0 0 0\n"
					   "other 10.0.0.1:80 1 1 0 0 0 0\n"
					   "10.0.0.7:80 10.0.0.7:80 1 1 0 0 0 0\n");
	server_leave(server_at(0, 0));
	server_figures_set(&figures, NULL);
}

static void tell_app(void *arg, const char *application, uint64_t waiting)
{
	size_t len = strlen(told);

	assert_ptr_equal(arg, &figures);
	snprintf(told + len, sizeof(told) - len, "%s %d\n", application, (int)waiting);
}

static void each_application_has_its_queue(void **state)
{
	(void)state;
	told[0] = '\0';
	server_figures_each_app(&figures, tell_app, &figures);
	assert_string_equal(told, "");
	server_figures_set(&figures, generation);
	servers_wait(&generation->apps[1]);
	servers_wait(&generation->apps[1]);
	server_figures_each_app(&figures, tell_app, &figures);
	assert_string_equal(told, "web 0\nother 2\n10.0.0.7:80 0\n");
	servers_wait_over(&generation->apps[1]);
	servers_wait_over(&generation->apps[1]);
	server_figures_set(&figures, NULL);
}

static void count(void *arg, const struct metrics_app_server *s)
{
	unsigned *n = arg;

	*n += s->application[0] != '\0';
}

static bool is_over;

static void *scrape(void *arg)
{
	unsigned n = 0;

	(void)arg;
	while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE))
		server_figures_each(&figures, count, &n);
	return NULL;
}

/* The last reference may be the scraper's. */
static void a_reload_takes_nothing_from_under_a_scrape(void **state)
{
	pthread_t thread;

	(void)state;
	is_over = false;
	server_figures_set(&figures, generation);
	assert_int_equal(pthread_create(&thread, NULL, scrape, NULL), 0);
	for (int i = 0; i < 50; i++) {
		struct generation *next = generation_new(must_load(SERVERS, ""), 2, 2);

		server_figures_set(&figures, next);
		generation_put(generation);
		generation = next;
	}
	__atomic_store_n(&is_over, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	server_figures_set(&figures, NULL);
	assert_int_equal(generation_count(), 1);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, servers_setup, servers_teardown)
	const struct CMUnitTest tests[] = {
		TEST(there_are_none_before_and_after),
		TEST(each_has_its_sums),
		TEST(each_application_has_its_queue),
		TEST(a_reload_takes_nothing_from_under_a_scrape),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
