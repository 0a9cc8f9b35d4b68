/* SPDX-License-Identifier: BSD-2-Clause */
/* ring.c: records come out as they went in, or are refused whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/ring.h"

#define LEN 4 /* what a record costs beside its bytes */

static bool put(struct ring *r, const char *text)
{
	struct iovec v = {(void *)text, strlen(text)};

	return ring_put(r, &v, 1);
}

static void take(struct ring *r, const char *text)
{
	char got[64];

	assert_int_equal(ring_take(r, got, sizeof(got)), strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

static void records_come_in_order(void **state)
{
	struct ring r;
	char got[8];

	(void)state;
	assert_int_equal(ring_init(&r, 64), 0);
	assert_int_equal(ring_take(&r, got, sizeof(got)), 0);
	assert_true(put(&r, "one"));
	assert_true(put(&r, "three"));
	assert_int_equal(ring_used(&r), 2 * LEN + 8);
	take(&r, "one");
	take(&r, "three");
	assert_int_equal(ring_take(&r, got, sizeof(got)), 0);
	assert_int_equal(ring_used(&r), 0);
	ring_fini(&r);
}

static void pieces_are_one_record(void **state)
{
	struct iovec v[] = {{"ab", 2}, {NULL, 0}, {"cde", 3}};
	struct ring r;

	(void)state;
	assert_int_equal(ring_init(&r, 64), 0);
	assert_true(ring_put(&r, v, 3));
	take(&r, "abcde");
	ring_fini(&r);
}

/* At every place of the ring, so that length and bytes are split by its end in every way. */
static void records_may_go_over_the_end(void **state)
{
	struct ring r;

	(void)state;
	assert_int_equal(ring_init(&r, 32), 0);
	for (int i = 0; i < 200; i++) {
		assert_true(put(&r, "0123456789"));
		take(&r, "0123456789");
	}
	ring_fini(&r);
}

static void what_does_not_fit_is_refused_whole(void **state)
{
	struct ring r;

	(void)state;
	assert_int_equal(ring_init(&r, 32), 0);
	assert_true(put(&r, "0123456789ab"));
	assert_false(put(&r, "0123456789abc"));
	assert_true(put(&r, "0123456789AB")); /* to the last byte */
	assert_false(put(&r, ""));
	take(&r, "0123456789ab");
	take(&r, "0123456789AB");
	assert_int_equal(ring_used(&r), 0);
	ring_fini(&r);
}

static void a_record_too_long_for_its_reader_is_cut(void **state)
{
	struct ring r;
	char got[4];

	(void)state;
	assert_int_equal(ring_init(&r, 64), 0);
	assert_true(put(&r, "0123456789"));
	assert_true(put(&r, "next"));
	assert_int_equal(ring_take(&r, got, sizeof(got)), 10);
	assert_memory_equal(got, "0123", 4);
	take(&r, "next");
	ring_fini(&r);
}

#define NUMBERS 200000

/* Puts numbers until all have been taken; what is refused is tried again. */
static void *putter(void *arg)
{
	struct ring *r = arg;

	for (uint64_t i = 1; i <= NUMBERS;) {
		struct iovec v[] = {{&i, sizeof(i)}, {(void *)"padding", i % 8}};

		if (ring_put(r, v, 2))
			i++;
		else
			sched_yield(); /* full: on a busy core the other thread is waiting for it */
	}
	return NULL;
}

static void two_threads_agree(void **state)
{
	struct ring r;
	pthread_t thread;
	uint64_t got[2];

	(void)state;
	assert_int_equal(ring_init(&r, 256), 0);
	assert_int_equal(pthread_create(&thread, NULL, putter, &r), 0);
	for (uint64_t i = 1; i <= NUMBERS;) {
		size_t n = ring_take(&r, got, sizeof(got));

		if (!n) {
			sched_yield();
			continue;
		}
		assert_int_equal(got[0], i);
		assert_int_equal(n, sizeof(i) + i % 8);
		i++;
	}
	pthread_join(thread, NULL);
	ring_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_in_order),
		cmocka_unit_test(pieces_are_one_record),
		cmocka_unit_test(records_may_go_over_the_end),
		cmocka_unit_test(what_does_not_fit_is_refused_whole),
		cmocka_unit_test(a_record_too_long_for_its_reader_is_cut),
		cmocka_unit_test(two_threads_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
