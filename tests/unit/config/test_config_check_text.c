/* SPDX-License-Identifier: BSD-2-Clause */
/* config_check_text.c: targets and hosts, good and bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "config/config_check_text.h"

static void a_path_has_no_fragment(void **state)
{
	static const char *const good[] = {"/", "/a/b", "/a?b=c&d", "//", "/%23", "/a;b=1,2:@"};
	static const char *const bad[] = {"/#", "/a#b", "/a?b#", "/a?b#c#d"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_null(config_check_path_fault(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_non_null(strstr(config_check_path_fault(bad[i]), "fragment"));
}

static void a_path_begins_with_a_slash(void **state)
{
	static const char *const bad[] = {"a", "*", "http://a/", "?a", ""};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_non_null(strstr(config_check_path_fault(bad[i]), "slash"));
}

static void hosts(void **state)
{
	static const char *const good[] = {"a",
					   "up.example",
					   "Up.Example.",
					   "a_b.internal:1",
					   "xn--bcher-kva.example:65535",
					   "192.0.2.1",
					   "192.0.2.1:8080",
					   "[::1]",
					   "[2001:db8::1]:8080",
					   "[::ffff:192.0.2.1]"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (config_check_host_fault(good[i]))
			fail_msg("%s %s", good[i], config_check_host_fault(good[i]));
}

static void no_hosts(void **state)
{
	static const char *const bad[] = {
		"",
		":80",
		"a:",
		"a:0",
		"a:65536",
		"a:080",
		"a:+1",
		"a:80:80",
		"::1",
		"[::1",
		"::1]",
		"[::1]x",
		"[::1]80",
		"[]",
		"[a]",
		"[1.2.3.4]",
		"[::1%lo]",
		"[[::1]]",
		"a/b",
		"http://a",
		"a,b",
		"a@b",
		"a..b",
		".a",
		"-a.b",
		"*.a",
		"*",
		"a?b",
		"a#b",
		"\"a\"",
		"1.2.3",
		"1.2.3.256",
		"0x7f.1",
		"unix:/a",
		"a;b",
		"[::1]:",
		"[::1]:0",
		"[::1]::1",
		"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (!config_check_host_fault(bad[i]))
			fail_msg("%s is taken for a host", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_has_no_fragment),
		cmocka_unit_test(a_path_begins_with_a_slash),
		cmocka_unit_test(hosts),
		cmocka_unit_test(no_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
