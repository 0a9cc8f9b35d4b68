/* SPDX-License-Identifier: BSD-2-Clause */
/* kbpf_slots.c: each slot has one owner, and each worker has its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "bpf/kbpf_slots.h"

#define WORKERS 3
#define EACH    5

static void each_worker_has_its_own(void **state)
{
	struct kbpf_slots *slots = kbpf_slots_new(WORKERS, EACH);
	bool seen[WORKERS * EACH] = {false};
	uint32_t slot = 77;

	(void)state;
	assert_non_null(slots);
	for (unsigned w = 0; w < WORKERS; w++) {
		for (unsigned i = 0; i < EACH; i++) {
			assert_true(kbpf_slots_take(slots, w, &slot));
			assert_in_range(slot, w * EACH, w * EACH + EACH - 1);
			assert_false(seen[slot]);
			seen[slot] = true;
		}
		slot = 77;
		assert_false(kbpf_slots_take(slots, w, &slot));
		assert_int_equal(slot, 77);
	}
	/* What one gives back is not for the others. */
	kbpf_slots_put(slots, 1, EACH + 2);
	assert_false(kbpf_slots_take(slots, 0, &slot));
	assert_false(kbpf_slots_take(slots, 2, &slot));
	assert_true(kbpf_slots_take(slots, 1, &slot));
	assert_int_equal(slot, EACH + 2);
	kbpf_slots_free(slots);
}

/* Its note is still in the cache. */
static void the_last_one_back_is_taken_first(void **state)
{
	struct kbpf_slots *slots = kbpf_slots_new(1, 3);
	uint32_t a, b, c, slot;

	(void)state;
	assert_true(kbpf_slots_take(slots, 0, &a));
	assert_true(kbpf_slots_take(slots, 0, &b));
	assert_true(kbpf_slots_take(slots, 0, &c));
	assert_int_equal(a, 0);
	assert_int_equal(b, 1);
	kbpf_slots_put(slots, 0, b);
	kbpf_slots_put(slots, 0, a);
	assert_true(kbpf_slots_take(slots, 0, &slot));
	assert_int_equal(slot, a);
	assert_true(kbpf_slots_take(slots, 0, &slot));
	assert_int_equal(slot, b);
	assert_false(kbpf_slots_take(slots, 0, &slot));
	kbpf_slots_free(slots);
	kbpf_slots_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_worker_has_its_own),
		cmocka_unit_test(the_last_one_back_is_taken_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
