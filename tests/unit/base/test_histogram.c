/* SPDX-License-Identifier: BSD-2-Clause */
/* histogram.c: buckets and quantiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/histogram.h"

static void a_bucket_holds_what_its_bound_says(void **state)
{
	(void)state;
	assert_int_equal(histogram_bucket(0), 0);
	assert_int_equal(histogram_bound_us(0), 32);
	for (unsigned i = 0; i < HISTOGRAM_BOUNDS; i++) {
		uint64_t bound = histogram_bound_us(i);

		assert_int_equal(histogram_bucket(bound - 1), i);
		assert_int_equal(histogram_bucket(bound), i);
		assert_int_equal(histogram_bucket(bound + 1), i + 1);
	}
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BOUNDS);
	assert_int_equal(histogram_bound_us(HISTOGRAM_BOUNDS - 1), 67108864);
}

static void of_several_the_first_takes_the_time(void **state)
{
	struct histogram h = {0};

	(void)state;
	histogram_take(&h, 1000, 0);
	assert_int_equal(histogram_count(&h), 0);
	histogram_take(&h, 1000, 1);
	histogram_take(&h, 1000, 3);
	assert_int_equal(h.count[histogram_bucket(1000)], 2);
	assert_int_equal(h.count[0], 2);
	assert_int_equal(h.sum_us, 2000);
	assert_int_equal(histogram_count(&h), 4);
}

static void quantiles_lie_within_their_bucket(void **state)
{
	struct histogram h = {0};

	(void)state;
	assert_int_equal(histogram_quantile_us(&h, 0.5), 0);
	for (int i = 0; i < 90; i++)
		histogram_take(&h, 100, 1); /* 64 < 100 <= 128 */
	for (int i = 0; i < 10; i++)
		histogram_take(&h, 5000, 1); /* 4096 < 5000 <= 8192 */
	assert_in_range(histogram_quantile_us(&h, 0.5), 64, 128);
	assert_int_equal(histogram_quantile_us(&h, 0.9), 128);
	assert_in_range(histogram_quantile_us(&h, 0.99), 4097, 8192);
	assert_int_equal(histogram_quantile_us(&h, 1), 8192);
}

static void what_lies_beyond_is_said_to_be_the_last_bound(void **state)
{
	struct histogram h = {0};

	(void)state;
	histogram_take(&h, 100000000, 1);
	assert_int_equal(histogram_quantile_us(&h, 0.5), histogram_bound_us(HISTOGRAM_BOUNDS - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_holds_what_its_bound_says),
		cmocka_unit_test(of_several_the_first_takes_the_time),
		cmocka_unit_test(quantiles_lie_within_their_bucket),
		cmocka_unit_test(what_lies_beyond_is_said_to_be_the_last_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
