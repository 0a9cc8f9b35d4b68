/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/bench/hist.c: quantiles are those of the sorted values, to within a bucket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdint.h>
#include <stdlib.h>

#include "tests/bench/hist.h"

#define VALUES 1000

static struct hist hist;

static int up(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Nearest rank, with integers: the smallest value that ppm millionths do not exceed. */
static uint64_t exact(const uint64_t *sorted, uint64_t count, uint32_t ppm)
{
	uint64_t rank = 1;

	while (rank * 1000000 < count * ppm)
		rank++;
	return sorted[rank - 1];
}

static void assert_close(uint64_t got, uint64_t wanted)
{
	assert_in_range(got, wanted, wanted + wanted / HIST_SUB);
}

static void small_values_are_exact(void **state)
{
	hist_clear(&hist);
	for (uint64_t i = 1; i <= 100; i++)
		hist_add(&hist, i);
	assert_int_equal(hist_quantile(&hist, 500000), 50);
	assert_int_equal(hist_quantile(&hist, 990000), 99);
	assert_int_equal(hist_quantile(&hist, 999000), 100);
	assert_int_equal(hist_quantile(&hist, 1000000), 100);
	assert_int_equal(hist_quantile(&hist, 0), 1);
}

/* 99.9 % of 1000 values is the 999th, not the largest: a rank computed in doubles would be off. */
static void a_rank_is_not_rounded_up_by_accident(void **state)
{
	hist_clear(&hist);
	for (unsigned i = 0; i < 999; i++)
		hist_add(&hist, 7);
	hist_add(&hist, 1000000);
	assert_int_equal(hist_quantile(&hist, 999000), 7);
	assert_int_equal(hist_quantile(&hist, 999001), 1000000);
}

static void quantiles_follow_the_sorted_values(void **state)
{
	static const uint32_t ppm[] = {1, 1000, 10000, 500000, 900000, 990000, 999000, 1000000};
	static uint64_t values[VALUES];

	srandom(7);
	for (unsigned bits = 1; bits <= 39; bits++) {
		hist_clear(&hist);
		for (unsigned i = 0; i < VALUES; i++) {
			values[i] = ((uint64_t)random() << 31 | (uint64_t)random()) >> (62 - bits);
			hist_add(&hist, values[i]);
		}
		qsort(values, VALUES, sizeof(*values), up);
		for (size_t i = 0; i < sizeof(ppm) / sizeof(*ppm); i++)
			assert_close(hist_quantile(&hist, ppm[i]), exact(values, VALUES, ppm[i]));
	}
}

static void every_power_of_two_has_a_bucket(void **state)
{
	for (unsigned bits = 0; bits < 64; bits++) {
		uint64_t value = UINT64_C(1) << bits;
		uint64_t most = (UINT64_C(1) << HIST_VALUE_BITS) - 1;

		hist_clear(&hist);
		hist_add(&hist, value - 1);
		hist_add(&hist, value);
		assert_close(hist_quantile(&hist, 1000000), value < most ? value : most);
		assert_close(hist_quantile(&hist, 1), value - 1 < most ? value - 1 : most);
	}
}

static void an_empty_one_says_0(void **state)
{
	hist_clear(&hist);
	assert_int_equal(hist_quantile(&hist, 990000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(a_rank_is_not_rounded_up_by_accident),
		cmocka_unit_test(quantiles_follow_the_sorted_values),
		cmocka_unit_test(every_power_of_two_has_a_bucket),
		cmocka_unit_test(an_empty_one_says_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
