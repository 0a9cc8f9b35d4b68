/* SPDX-License-Identifier: BSD-2-Clause */
/* limit.c: bounds that hold with many threads; descriptors and flows that a configuration needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "kedge/abi.h"
#include "listen/limit.h"
#include "tests/lib/heard.h"

static struct rlimit old;

static int up(void **state)
{
	(void)state;
	return getrlimit(RLIMIT_NOFILE, &old);
}

static int down(void **state)
{
	(void)state;
	return setrlimit(RLIMIT_NOFILE, &old);
}

/* --- counts ----------------------------------------------------------------------------------- */

static void so_many_and_no_more(void **state)
{
	unsigned count = 0;

	(void)state;
	assert_true(limits_enter(&count, 2));
	assert_true(limits_enter(&count, 2));
	assert_false(limits_enter(&count, 2));
	assert_int_equal(count, 2); /* a refused one is not counted */
	limits_leave(&count);
	assert_true(limits_enter(&count, 2));
	/* A reload has lowered the limit: connections that exist stay. */
	assert_false(limits_enter(&count, 1));
	limits_leave(&count);
	assert_false(limits_enter(&count, 1));
	limits_leave(&count);
	assert_true(limits_enter(&count, 1));
	assert_int_equal(count, 1);
}

static void zero_is_no_limit(void **state)
{
	unsigned count = 0;

	(void)state;
	for (unsigned i = 1; i <= 1000; i++) {
		assert_true(limits_enter(&count, 0));
		assert_int_equal(count, i);
	}
}

#define THREADS 4
#define ROUNDS  20000
#define MAX     2

static unsigned shared, inside, worst;

static void *come_and_go(void *arg)
{
	unsigned entered = 0;

	(void)arg;
	while (entered < ROUNDS) {
		unsigned now;

		/* Two threads that do not run may hold both places. */
		if (!limits_enter(&shared, MAX)) {
			sched_yield();
			continue;
		}
		now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		if (now > MAX)
			__atomic_store_n(&worst, now, __ATOMIC_SEQ_CST);
		__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		limits_leave(&shared);
		entered++;
	}
	return NULL;
}

static void threads_do_not_pass_it_together(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(worst, 0);
	assert_int_equal(shared, 0);
}

static void they_begin_at_zero(void **state)
{
	struct limits l = {.connections = 7, .handshakes = 8};

	(void)state;
	assert_int_equal(limits_init(&l), 0);
	assert_int_equal(l.connections, 0);
	assert_int_equal(l.handshakes, 0);
	assert_non_null(l.sources);
	limits_fini(&l);
	assert_null(l.sources);
	limits_fini(&l);
}

/* --- descriptors ------------------------------------------------------------------------------ */

static void set_descriptors(rlim_t n)
{
	struct rlimit now = {.rlim_cur = n, .rlim_max = old.rlim_max};

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
}

static void descriptors_are_raised_to_the_hard_limit(void **state)
{
	struct rlimit now;

	(void)state;
	set_descriptors(32);
	limits_raise_descriptors();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	assert_int_equal(now.rlim_cur, old.rlim_max);
	assert_int_equal(now.rlim_max, old.rlim_max);
}

/* The listeners; the last one splices if `splices`. */
static struct conf_listener several[64];
static bool splices;

static void warn(unsigned connections, unsigned workers, size_t listeners)
{
	const struct conf conf = {.connections_max = connections,
				  .workers = workers,
				  .listeners = several,
				  .listeners_count = listeners};

	for (size_t i = 0; i < listeners; i++)
		several[i].splice = splices && i + 1 == listeners;
	heard_begin();
	limits_warn_descriptors(&conf);
	heard_end();
}

/* Two for each connection; 64, and for each worker two and its listeners, for the rest. */
static void too_few_descriptors_are_said(void **state)
{
	(void)state;
	set_descriptors(2 * 10 + 64 + 3 * (2 + 4));
	warn(10, 3, 4);
	assert_string_equal(heard, "");
	warn(11, 3, 4);
	assert_string_equal(
		heard, "warning: connections-max 11 needs 104 descriptors, and the limit "
		       "is 102: 10 connections fit; raise the limit (ulimit -Hn, LimitNOFILE=) "
		       "or lower connections-max\n");
	/* Not even the rest fits, to the last descriptor. */
	set_descriptors(64 + 3 * (2 + 4));
	warn(1, 3, 4);
	assert_heard("the limit is 82: 0 connections fit");
	set_descriptors(10);
	warn(1, 3, 4);
	assert_heard("the limit is 10: 0 connections fit");
	set_descriptors(64 + 3 * (2 + 4) + 1);
	warn(1, 3, 4);
	assert_heard("0 connections fit");
}

/* Two for each pipe, if any listener splices. A worker has 64, or two for each connection. */
static void pipes_are_descriptors_too(void **state)
{
	(void)state;
	splices = true;
	set_descriptors(2 * 40 + 64 + 3 * (2 + 2 * LIMIT_PIPES_A_WORKER + 4));
	warn(40, 3, 4);
	assert_string_equal(heard, "");
	warn(41, 3, 4);
	assert_heard("connections-max 41 needs 548 descriptors, and the limit is 546: 40 connec");
	set_descriptors(68 + 6 * 5);
	warn(5, 1, 2);
	assert_string_equal(heard, "");
	warn(6, 1, 2);
	assert_heard("connections-max 6 needs 104 descriptors, and the limit is 98: 5 connections");
	set_descriptors(68 + 6);
	warn(50, 1, 2);
	assert_heard("1 connections fit");
	set_descriptors(68 + 5);
	warn(50, 1, 2);
	assert_heard("0 connections fit");
	splices = false;
}

static void the_largest_configuration_does_not_overflow(void **state)
{
	char want[64];

	(void)state;
	snprintf(want, sizeof(want), "connections-max 4294967295 needs %llu descriptors",
		 2 * 4294967295ULL + KEDGE_WORKERS_MAX * (2 + 64) + 64);
	set_descriptors(10);
	warn(4294967295u, KEDGE_WORKERS_MAX, 64);
	assert_heard(want);
}

/* --- flows ------------------------------------------------------------------------------------ */

static void flows_of_a_worker(void **state)
{
	static const struct {
		unsigned connections, workers, each;
	} table[] = {
		{1, 1, 1},
		{1, 64, 1},
		{1023, 1, 1023},
		{1024, 2, 1024},
		{1025, 2, 1025},
		{4096, 8, 1024},
		{16384, 4, 8192},
		{16385, 4, 8194},
		{16384, 1, 16384},
		{1u << 20, 1, 1u << 20},
		{1u << 20, 64, 32768},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct conf conf = {.connections_max = table[i].connections,
					  .workers = table[i].workers};

		assert_int_equal(limits_flows_each(&conf), table[i].each);
		/* All of them find a place even if they are spread evenly. */
		assert_true((uint64_t)table[i].each * table[i].workers >= table[i].connections);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(so_many_and_no_more),
		TEST(zero_is_no_limit),
		TEST(threads_do_not_pass_it_together),
		TEST(they_begin_at_zero),
		TEST(descriptors_are_raised_to_the_hard_limit),
		TEST(too_few_descriptors_are_said),
		TEST(pipes_are_descriptors_too),
		TEST(the_largest_configuration_does_not_overflow),
		TEST(flows_of_a_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
