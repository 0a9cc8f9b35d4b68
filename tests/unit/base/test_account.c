/* SPDX-License-Identifier: BSD-2-Clause */
/* account.c: names in files of the form of passwd and group, and in those that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char file[] = "/tmp/kedge-account-XXXXXX";

#define PASSWD_FILE file
#define GROUP_FILE  file
#include "base/account.c"

static void put(const char *text)
{
	FILE *f = fopen(file, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void shown(const char *text, unsigned id, const char *expected)
{
	char user[ACCOUNT_NAME], group[ACCOUNT_NAME];

	put(text);
	assert_string_equal(account_user(user, id), expected);
	assert_string_equal(account_group(group, id), expected);
}

static void the_name_of_the_number_is_found(void **state)
{
	(void)state;
	shown("root:x:0:0:root:/root:/bin/sh\nkedge:x:997:\n", 0, "root");
	shown("root:x:0:0:root:/root:/bin/sh\nkedge:x:997:\n", 997, "kedge");
	shown("kedge::997:", 997, "kedge"); /* no newline */
	shown("a:x:5:\nb:x:5:\n", 5, "a");  /* two of the same number */
	shown("top:x:4294967295:\n", 4294967295U, "top");
}

static void without_a_name_it_is_the_number(void **state)
{
	(void)state;
	shown("", 7, "7");
	shown("kedge:x:9970:\nkedge:x:99:\n", 997, "997");
	shown("kedge\n:x:7:\nkedge:x\nkedge:x:7\nkedge:x:seven:\nkedge:x::\n\n", 7, "7");
	shown("kedge:x:-0:\nkedge:x: 0:\nkedge:x:+0:\n", 0, "0");
	shown("123456789012345678901234567890123:x:7:\n", 7, "7"); /* too long for a name */
	shown("12345678901234567890123456789012:x:7:\n", 7, "12345678901234567890123456789012");
	assert_int_equal(unlink(file), 0);
	{
		char buf[ACCOUNT_NAME];

		assert_string_equal(account_user(buf, 7), "7"); /* there is no such file */
	}
}

static void a_pod_is_known_by_its_environment(void **state)
{
	(void)state;
	unsetenv("KUBERNETES_SERVICE_HOST");
	assert_false(account_in_pod());
	setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
	assert_true(account_in_pod());
}

static int begin(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int end(void **state)
{
	(void)state;
	unlink(file);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_name_of_the_number_is_found),
		cmocka_unit_test(without_a_name_it_is_the_number),
		cmocka_unit_test(a_pod_is_known_by_its_environment),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
