/* SPDX-License-Identifier: BSD-2-Clause */
/* speed_figures.c: medians, spreads, and when two layers differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "daemon/speed_figures.h"

static struct speed_rounds rounds;

static void take(uint64_t user, uint64_t kernel)
{
	rounds.ns[SPEED_USER][rounds.count] = user;
	rounds.ns[SPEED_KERNEL][rounds.count++] = kernel;
}

static int setup(void **state)
{
	(void)state;
	memset(&rounds, 0, sizeof(rounds));
	return 0;
}

static void check(const struct speed_spread *s, double low, double median, double high)
{
	assert_true(s->low == low);
	assert_true(s->median == median);
	assert_true(s->high == high);
}

static void the_order_of_rounds_does_not_matter(void **state)
{
	static const uint64_t orders[][7] = {
		{1, 2, 3, 4, 5, 6, 7}, {7, 6, 5, 4, 3, 2, 1}, {4, 7, 1, 6, 2, 5, 3}};
	struct speed_figures f;

	for (size_t o = 0; o < 3; o++) {
		setup(state);
		for (int i = 0; i < 7; i++)
			take(orders[o][i] * 1000, 2000);
		speed_figures(&f, &rounds, true);
		check(&f.ns[SPEED_USER], 1000, 4000, 7000);
		check(&f.ns[SPEED_KERNEL], 2000, 2000, 2000);
		check(&f.ratio, 2000.0 / 7000, 0.5, 2);
	}
}

static void a_tenth_at_either_end_is_left_out(void **state)
{
	struct speed_figures f;

	(void)state;
	for (uint64_t i = 1; i <= 9; i++)
		take(i, 1);
	speed_figures(&f, &rounds, true);
	check(&f.ns[SPEED_USER], 1, 5, 9); /* no tenth is a whole round */
	take(1000000, 1);
	speed_figures(&f, &rounds, true);
	check(&f.ns[SPEED_USER], 2, 5.5, 9);
	while (rounds.count < SPEED_ROUNDS_MAX)
		take(6, 1);
	speed_figures(&f, &rounds, true);
	check(&f.ns[SPEED_USER], 6, 6, 6);
}

/* The median of ratios, not the ratio of medians: both layers meet the same disturbance. */
static void ratios_are_those_of_one_round(void **state)
{
	struct speed_figures f;

	(void)state;
	for (int i = 0; i < 7; i++)
		take(100ULL << i, 90ULL << i);
	speed_figures(&f, &rounds, true);
	check(&f.ratio, 0.9, 0.9, 0.9);
	assert_int_equal(f.verdict, SPEED_KERNEL_LESS);
}

static enum speed_verdict verdict(unsigned user_less, unsigned same, unsigned kernel_less)
{
	struct speed_figures f;

	memset(&rounds, 0, sizeof(rounds));
	for (unsigned i = 0; i < user_less; i++)
		take(100, 110);
	for (unsigned i = 0; i < same; i++)
		take(100, 100);
	for (unsigned i = 0; i < kernel_less; i++)
		take(100, 90);
	speed_figures(&f, &rounds, true);
	return f.verdict;
}

static void nearly_all_rounds_must_agree(void **state)
{
	(void)state;
	assert_int_equal(verdict(7, 0, 0), SPEED_USER_LESS);
	assert_int_equal(verdict(0, 0, 7), SPEED_KERNEL_LESS);
	assert_int_equal(verdict(0, 7, 0), SPEED_NO_DIFFERENCE);
	assert_int_equal(verdict(6, 1, 0), SPEED_NO_DIFFERENCE);
	assert_int_equal(verdict(0, 1, 6), SPEED_NO_DIFFERENCE);
	assert_int_equal(verdict(18, 0, 2), SPEED_USER_LESS);
	assert_int_equal(verdict(17, 0, 3), SPEED_NO_DIFFERENCE);
	assert_int_equal(verdict(2, 0, 18), SPEED_KERNEL_LESS);
	assert_int_equal(verdict(3, 0, 17), SPEED_NO_DIFFERENCE);
}

static void without_a_kernel_nothing_is_compared(void **state)
{
	static const struct speed_spread none;
	struct speed_figures f;

	(void)state;
	take(5, 0);
	speed_figures(&f, &rounds, false);
	check(&f.ns[SPEED_USER], 5, 5, 5);
	assert_memory_equal(&f.ns[SPEED_KERNEL], &none, sizeof(none));
	assert_memory_equal(&f.ratio, &none, sizeof(none));
	assert_int_equal(f.verdict, SPEED_NOT_COMPARED);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup(t, setup)
	const struct CMUnitTest tests[] = {
		TEST(the_order_of_rounds_does_not_matter),  TEST(a_tenth_at_either_end_is_left_out),
		TEST(ratios_are_those_of_one_round),        TEST(nearly_all_rounds_must_agree),
		TEST(without_a_kernel_nothing_is_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
