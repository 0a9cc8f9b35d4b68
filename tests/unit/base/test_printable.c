/* SPDX-License-Identifier: BSD-2-Clause */
/* printable.c: a text from a stranger cannot end its quotes or its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/printable.h"

static void odd_bytes_are_escaped(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(printable(buf, sizeof(buf), "example.com"), "example.com");
	assert_string_equal(printable(buf, sizeof(buf), "a b~"), "a b~");
	assert_string_equal(printable(buf, sizeof(buf), "\"\\\n\x1b\x7f\x9b\xff"),
			    "\\x22\\x5C\\x0A\\x1B\\x7F\\x9B\\xFF");
	assert_string_equal(printable(buf, sizeof(buf), ""), "");
}

static void every_byte(void **state)
{
	char buf[8];

	(void)state;
	for (int c = 1; c < 256; c++) {
		char text[] = {(char)c, '\0'};

		printable(buf, sizeof(buf), text);
		for (const char *p = buf; *p; p++)
			assert_true(*p >= ' ' && *p <= '~' && *p != '"');
	}
}

/* Of every size: ended, and never within an escape. */
static void it_is_cut(void **state)
{
	char text[64];

	(void)state;
	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t size = 1; size < 300; size++) {
		char *buf = malloc(size); /* its end is guarded */

		printable(buf, size, text);
		assert_true(strlen(buf) < size);
		assert_int_equal(strlen(buf) % 4, 0);
		free(buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_bytes_are_escaped),
		cmocka_unit_test(every_byte),
		cmocka_unit_test(it_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
