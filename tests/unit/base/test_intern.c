/* SPDX-License-Identifier: BSD-2-Clause */
/* intern.c: one copy of each name, for as long as somebody has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"

static void owners_share_a_name(void **state)
{
	struct intern in = {0};
	char text[] = "example.com";
	const char *a = intern_get(&in, text), *b;

	(void)state;
	text[0] = 'E'; /* it is a copy */
	assert_string_equal(a, "example.com");
	b = intern_get(&in, "example.com");
	assert_ptr_equal(a, b);
	assert_int_equal(in.count, 1);
	intern_put(&in, a);
	assert_string_equal(b, "example.com");
	assert_int_equal(in.count, 1);
	intern_put(&in, b);
	assert_int_equal(in.count, 0);
	assert_null(in.tree);
	intern_put(&in, NULL);
}

/* Also when they come in order, as a hostile client could send them. */
static void many_names(void **state)
{
	enum { COUNT = 5000 };
	struct intern in = {0};
	const char **got = calloc(COUNT, sizeof(*got));
	char name[32];

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "n%06d", i);
		got[i] = intern_get(&in, name);
		assert_non_null(got[i]);
	}
	assert_int_equal(in.count, COUNT);
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "n%06d", i);
		assert_string_equal(got[i], name);
		intern_put(&in, got[i]);
		assert_int_equal(in.count, COUNT - 1 - i);
	}
	assert_null(in.tree);
	free(got);
}

static void names_of_any_bytes(void **state)
{
	struct intern in = {0};
	const char *empty = intern_get(&in, ""), *odd = intern_get(&in, "\x1b\xff\n");

	(void)state;
	assert_string_equal(empty, "");
	assert_string_equal(odd, "\x1b\xff\n");
	assert_int_equal(in.count, 2);
	intern_put(&in, empty);
	intern_put(&in, odd);
	assert_null(in.tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners_share_a_name),
		cmocka_unit_test(many_names),
		cmocka_unit_test(names_of_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
