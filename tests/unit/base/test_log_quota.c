/* SPDX-License-Identifier: BSD-2-Clause */
/* log_quota.c: a line a minute, and no line is forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>

#include "base/log_quota.h"

static void one_line_a_minute(void **state)
{
	struct log_quota q = {0};
	uint32_t left = 99;

	(void)state;
	assert_true(log_quota_take(&q, 0, &left)); /* the machine has just started */
	assert_int_equal(left, 0);
	assert_false(log_quota_take(&q, 0, &left));
	assert_false(log_quota_take(&q, 59999, &left));
	assert_true(log_quota_take(&q, 60000, &left));
	assert_int_equal(left, 2);
	assert_false(log_quota_take(&q, 60001, &left));
	assert_true(log_quota_take(&q, 500000, &left));
	assert_int_equal(left, 1);
	assert_true(log_quota_take(&q, 560000, &left));
	assert_int_equal(left, 0);
}

/* A thread's clock may be a turn behind that of the one that said the line. */
static void a_clock_behind(void **state)
{
	struct log_quota q = {0};
	uint32_t left;

	(void)state;
	assert_true(log_quota_take(&q, 1000, &left));
	assert_false(log_quota_take(&q, 900, &left));
	assert_int_equal(log_quota_rest(&q, 900), 0);
	assert_int_equal(q.left_out, 1);
}

static void the_rest_is_said_after_the_minute(void **state)
{
	struct log_quota q = {0};
	uint32_t left;

	(void)state;
	assert_int_equal(log_quota_rest(&q, UINT64_MAX), 0);
	assert_true(log_quota_take(&q, 1000, &left));
	assert_int_equal(log_quota_rest(&q, UINT64_MAX), 0); /* none was left out */
	log_quota_take(&q, 1001, &left);
	log_quota_take(&q, 1002, &left);
	assert_int_equal(log_quota_rest(&q, 61999), 0); /* the next line may still say it */
	assert_int_equal(log_quota_rest(&q, 62000), 2);
	assert_int_equal(log_quota_rest(&q, 62001), 0);
	assert_true(log_quota_take(&q, 62002, &left));
	assert_int_equal(left, 0);
	log_quota_take(&q, 62003, &left);
	assert_int_equal(log_quota_rest(&q, UINT64_MAX), 1);
}

static void the_count_does_not_wrap(void **state)
{
	struct log_quota q = {.said_ms = 1, .left_out = UINT32_MAX - 1};
	uint32_t left;

	(void)state;
	log_quota_take(&q, 1, &left);
	log_quota_take(&q, 1, &left);
	assert_int_equal(q.left_out, UINT32_MAX);
}

/* --- threads ---------------------------------------------------------------------------------- */

#define THREADS 4
#define TAKES   50000

static struct log_quota shared;
static uint64_t said, told; /* atomic */

static void *take(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < TAKES; i++) {
		uint32_t left;

		if (!log_quota_take(&shared, i * 20, &left))
			continue;
		__atomic_fetch_add(&said, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&told, left, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void threads_lose_none(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	told += log_quota_rest(&shared, UINT64_MAX);
	assert_int_equal(said + told, THREADS * TAKES);
	assert_in_range(said, 1, 1 + TAKES * 20 / LOG_QUOTA_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_line_a_minute),
		cmocka_unit_test(a_clock_behind),
		cmocka_unit_test(the_rest_is_said_after_the_minute),
		cmocka_unit_test(the_count_does_not_wrap),
		cmocka_unit_test(threads_lose_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
