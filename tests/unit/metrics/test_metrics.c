/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics.c: rows of workers and of listeners, and their sums. */
#include "metrics_rig.h"

#include <pthread.h>
#include <stdint.h>

static void rows_are_zero_and_apart(void **state)
{
	static const struct metrics_row zero;

	(void)state;
	for (unsigned i = 0; i < WORKERS; i++) {
		struct metrics_row *row = metrics_row(metrics, i);

		assert_memory_equal(row, &zero, sizeof(zero));
		assert_int_equal((uintptr_t)row % 64, 0); /* no two on one cache line */
	}
	assert_ptr_equal(metrics_row(metrics, 1), metrics_row(metrics, 0) + 1);
	metrics_free(NULL);
}

static void sums_are_over_all_workers(void **state)
{
	struct metrics_row sum;

	(void)state;
	memset(&sum, 0xff, sizeof(sum));
	histogram_take(&metrics_row(metrics, 0)->handshake, 10, 1);
	histogram_take(&metrics_row(metrics, 1)->handshake, 20, 2);
	histogram_take(&metrics_row(metrics, 1)->request, 5, 1);
	metrics_row(metrics, 0)->flows[1][METRICS_EDIT_NONE][1] = 3;
	metrics_row(metrics, 1)->flows[1][METRICS_EDIT_NONE][1] = 4;
	metrics_sum(metrics, &sum);
	assert_int_equal(histogram_count(&sum.handshake), 3);
	assert_int_equal(sum.handshake.sum_us, 30);
	assert_int_equal(histogram_count(&sum.request), 1);
	assert_int_equal(histogram_count(&sum.connect), 0);
	assert_int_equal(sum.flows[1][METRICS_EDIT_NONE][1], 7);
	assert_int_equal(sum.flows[1][METRICS_EDIT_NONE][0], 0);
	assert_int_equal(histogram_count(&metrics_row(metrics, 0)->handshake), 1);
}

static void a_status_has_its_class(void **state)
{
	static const struct {
		unsigned status;
		const char *name;
	} cases[] = {{0, "other"}, {101, "1xx"}, {200, "2xx"},   {299, "2xx"},  {302, "3xx"},
		     {404, "4xx"}, {599, "5xx"}, {600, "other"}, {999, "other"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(metrics_class_name(metrics_class(cases[i].status)),
				    cases[i].name);
}

static void a_listener_is_made_once_and_kept(void **state)
{
	struct metrics_listener *a = metrics_listener(metrics, "127.0.0.1:443", 0);
	struct metrics_listener *b = metrics_listener(metrics, "127.0.0.1:443", 1);
	struct metrics_listener *other = metrics_listener(metrics, "127.0.0.1:80", 0);

	(void)state;
	assert_true(a && b && other);
	assert_ptr_equal(b, a + 1);
	assert_int_equal((uintptr_t)a % 64, 0);
	assert_true(other != a && other != b);
	a->accepted = 5;
	/* After a reload that took it away and brought it back. */
	assert_ptr_equal(metrics_listener(metrics, "127.0.0.1:443", 0), a);
	assert_int_equal(a->accepted, 5);
}

struct seen {
	unsigned count;
	char names[4][ADDR_TEXT_MAX];
	struct metrics_listener sums[4];
};

static void see(void *arg, const char *name, const struct metrics_listener *sum)
{
	struct seen *seen = arg;

	assert_true(seen->count < 4);
	strcpy(seen->names[seen->count], name);
	seen->sums[seen->count++] = *sum;
}

static void listeners_are_told_in_the_order_they_came(void **state)
{
	struct seen seen = {0};
	struct metrics_listener *z = metrics_listener(metrics, "z", 0);
	struct metrics_listener *a = metrics_listener(metrics, "a", 1);

	(void)state;
	*z = (struct metrics_listener){.accepted = 1, .closed = 2, .handshakes = 3, .flows = 4};
	z[1] = (struct metrics_listener){.accepted = 10, .closed = 20, .handshakes = 30};
	a->flows = 9;
	metrics_each_listener(metrics, see, &seen);
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.names[0], "z");
	assert_string_equal(seen.names[1], "a");
	assert_int_equal(seen.sums[0].accepted, 11);
	assert_int_equal(seen.sums[0].closed, 22);
	assert_int_equal(seen.sums[0].handshakes, 33);
	assert_int_equal(seen.sums[0].flows, 4);
	assert_int_equal(seen.sums[1].flows, 9);
	assert_int_equal(seen.sums[1].accepted, 0);
}

static void no_listener_is_told_of_none(void **state)
{
	struct seen seen = {0};

	(void)state;
	metrics_each_listener(metrics, see, &seen);
	assert_int_equal(seen.count, 0);
}

/* The longest name of an address fits, and is found again. */
static void the_longest_name_fits(void **state)
{
	struct seen seen = {0};
	char name[ADDR_TEXT_MAX];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_non_null(metrics_listener(metrics, name, 0));
	assert_ptr_equal(metrics_listener(metrics, name, 0), metrics_listener(metrics, name, 0));
	metrics_each_listener(metrics, see, &seen);
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.names[0], name);
}

#define NAMES  20
#define ROUNDS 200

static struct metrics_listener *made[WORKERS][NAMES];

static void *ask_for_listeners(void *arg)
{
	unsigned worker = (unsigned)(uintptr_t)arg;

	for (int round = 0; round < ROUNDS; round++) {
		char name[16];

		snprintf(name, sizeof(name), "l%d", round % NAMES);
		made[worker][round % NAMES] = metrics_listener(metrics, name, worker);
		made[worker][round % NAMES]->accepted++;
	}
	return NULL;
}

static void count_all(void *arg, const char *name, const struct metrics_listener *sum)
{
	(void)name;
	*(uint64_t *)arg += sum->accepted;
}

/* Workers ask for the same listeners at once, while another thread reads them. */
static void threads_get_one_listener_for_one_name(void **state)
{
	pthread_t threads[WORKERS];
	uint64_t total = 0;

	(void)state;
	for (uintptr_t w = 0; w < WORKERS; w++)
		assert_int_equal(pthread_create(&threads[w], NULL, ask_for_listeners, (void *)w),
				 0);
	for (int i = 0; i < 50; i++) {
		struct metrics_row sum;

		metrics_sum(metrics, &sum);
		total = 0;
		metrics_each_listener(metrics, count_all, &total);
	}
	for (int w = 0; w < WORKERS; w++)
		pthread_join(threads[w], NULL);
	total = 0;
	metrics_each_listener(metrics, count_all, &total);
	assert_int_equal(total, WORKERS * ROUNDS);
	for (int i = 0; i < NAMES; i++)
		assert_ptr_equal(made[1][i], made[0][i] + 1);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, up, down)
	const struct CMUnitTest tests[] = {
		TEST(rows_are_zero_and_apart),
		TEST(sums_are_over_all_workers),
		TEST(a_status_has_its_class),
		TEST(a_listener_is_made_once_and_kept),
		TEST(listeners_are_told_in_the_order_they_came),
		TEST(no_listener_is_told_of_none),
		TEST(the_longest_name_fits),
		TEST(threads_get_one_listener_for_one_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
