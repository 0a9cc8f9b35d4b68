/* SPDX-License-Identifier: BSD-2-Clause */
/* check.h: a check that fails says what and where, and ends the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/check.h"
#include "tests/lib/breaks.h"

static int number = 1;

static void one_fails(void)
{
	CHECK(&number, number == 2);
}

static void one_of_a_condition_fails(void)
{
	CHECK_IF(&number, number == 1, number == 2);
}

static void one_is_called(void)
{
	CHECKED(one_fails());
}

static void what_fails_is_said(void **state)
{
	(void)state;
	assert_true(aborts_saying(one_fails, "tests/unit/base/test_check.c:"));
	assert_true(aborts_saying(one_fails, ": one_fails: number == 2 (&number is 0x"));
	assert_true(aborts_saying(one_of_a_condition_fails, "number == 2"));
	assert_true(aborts_saying(one_is_called, "one_fails: number == 2"));
}

static void what_holds_is_not(void **state)
{
	(void)state;
	CHECK(&number, number == 1);
	CHECK_IF(&number, number == 2, number == 3);
	assert_false(aborts_saying(one_fails, "number == 3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fails_is_said),
		cmocka_unit_test(what_holds_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
