/* SPDX-License-Identifier: BSD-2-Clause */
/* kbpf_slots.c: each thing that must hold of the free slots, broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "bpf/kbpf_slots.c"
#include "tests/lib/breaks.h"

static struct kbpf_slots *slots;
static uint32_t slot;

static void check(void)
{
	stack_check(slots, 1);
}

static void put(void)
{
	kbpf_slots_put(slots, 1, slot);
}

static void take(void)
{
	kbpf_slots_take(slots, 1, &slot);
}

static const char *stack_broken(unsigned row)
{
	BREAK("s->count <= slots->each", slots->of[1].count = 5);
	BREAK("at < slots->each", slots->of[1].free[0] = 3);
	BREAK("at < slots->each", slots->of[1].free[0] = 8);
	BREAK("!seen[at]", slots->of[1].free[0] = slots->of[1].free[1]);
	BREAK("worker < slots->workers", slots->workers = 1);
	return NULL;
}

static const char *take_broken(unsigned row)
{
	BREAK("!seen[at]", slots->of[1].free[0] = slots->of[1].free[1]);
	return NULL;
}

static const char *put_broken(unsigned row)
{
	BREAK("at < slots->each", slot = 0);
	BREAK("!seen[at]", slot = slots->of[1].free[0]);
	return NULL;
}

static void slots_that_are_free(void **state)
{
	(void)state;
	slots = kbpf_slots_new(2, 4);
	assert_non_null(slots);
	breaks(stack_broken, check);
	breaks(take_broken, take);
	take();
	take();
	breaks(put_broken, put); /* it puts one back */
	/* The room of the array is kept to in every build. */
	assert_int_equal(slots->of[1].count, 2);
	for (slot = 5; slot >= 4; slot--)
		put();
	assert_true(aborts_saying(put, "s->count < slots->each"));
	kbpf_slots_free(slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_that_are_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
