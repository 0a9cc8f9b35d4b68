/* SPDX-License-Identifier: BSD-2-Clause */
/* config_pairs.c: certificates that are not whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "config/config_pairs.h"
#include "tests/lib/heard.h"

static void each_part_needs_the_certificate(void **state)
{
	const struct place at = {"f", 3, (char[]){"listeners[0]"}};
	struct conf_cert certs[] = {
		{(char *)"c", (char *)"k", NULL},
		{(char *)"d", NULL, NULL},
		{NULL, (char *)"l", NULL},
		{NULL, NULL, (char *)"o"},
	};
	struct mistakes m = {0};

	(void)state;
	heard_begin();
	config_check_pairs(certs, 1, &at, &m);
	assert_int_equal(m.count, 0);
	config_check_pairs(certs, 4, &at, &m);
	heard_end();
	assert_int_equal(m.count, 3);
	assert_string_equal(
		heard, "error: f:3: listeners[0]: the certificate \"d\" has no key\n"
		       "error: f:3: listeners[0]: the key \"l\" has no certificate\n"
		       "error: f:3: listeners[0]: the OCSP response \"o\" has no certificate\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_part_needs_the_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
