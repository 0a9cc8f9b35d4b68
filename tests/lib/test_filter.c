/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/lib/test_filter.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

void test_filter_set(int argc, char **argv)
{
	if (argc == 2 && argv[1][0] != '-')
		cmocka_set_test_filter(argv[1]);
}
