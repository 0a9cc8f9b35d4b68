/* SPDX-License-Identifier: BSD-2-Clause */
/* host_name.c: which texts are names of hosts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/host_name.h"

#define SHORT "123456789-123456789-123456789-123456789-123456789-123456789-a"
#define LABEL "123456789-123456789-123456789-123456789-123456789-123456789-ab"

static void names(void **state)
{
	static const char *const good[] = {
		"a",
		"app",
		"app.internal",
		"app.internal.",
		"my_app-1.namespace.svc.cluster.local",
		"APP",
		"3com",
		"1.2.3.4a",
		"1.2.3.0xg",
		"xn--bcher-kva.example",
		"x" LABEL ".a",
		LABEL "x." LABEL "x." LABEL "x." SHORT,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (!host_name_valid(good[i], strlen(good[i])))
			fail_msg("%s is a name", good[i]);
}

static void what_is_none(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		"..",
		".a",
		"a..b",
		"a..",
		"-a",
		"a-",
		"a.-b",
		"a b",
		"a/b",
		"a:b",
		"a\nb",
		"b\xc3\xbc"
		"cher",
		"1",
		"1.2.3.4",
		"10.1",
		"127.1",
		"0x7f.1",
		"a.0x7F",
		"a.0x",
		"256.256.256.256",
		"1.2.3.4.",
		LABEL "xy.a",
		LABEL "x." LABEL "x." LABEL "x." LABEL,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (host_name_valid(bad[i], strlen(bad[i])))
			fail_msg("%s is no name", bad[i]);
	assert_false(host_name_valid("a\0b", 3));
	assert_true(host_name_valid("ab:80", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
