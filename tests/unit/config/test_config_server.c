/* SPDX-License-Identifier: BSD-2-Clause */
/* config_server.c: one server from its text. */
#include "config/config_server.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void an_address(void **state)
{
	struct conf_server s = {.backup = true};
	char why[WHY_MAX];

	(void)state;
	assert_int_equal(config_server_parse(&s, "192.0.2.1:5", why), 0);
	assert_null(s.host);
	assert_int_equal(addr_port(&s.addr), 5);
	assert_string_equal(s.name, "192.0.2.1:5");
	assert_true(s.backup);
	assert_int_equal(config_server_parse(&s, "[2001:DB8::1]:80", why), 0);
	assert_string_equal(s.name, "[2001:db8::1]:80");
	assert_int_equal(config_server_parse(&s, "localhost:7", why), 0);
	assert_string_equal(s.name, "127.0.0.1:7");
	assert_null(s.host);
}

/* A name is looked up later, where one may wait. */
static void a_name(void **state)
{
	struct conf_server s = {0};
	char why[WHY_MAX];

	(void)state;
	assert_int_equal(config_server_parse(&s, "app.internal:3000", why), 0);
	assert_string_equal(s.host, "app.internal");
	assert_int_equal(s.port, 3000);
	assert_int_equal(s.addr.family, AF_UNSPEC);
	assert_string_equal(s.name, "app.internal:3000");
	free(s.host);
}

static void a_unix_socket(void **state)
{
	struct conf_server s = {0};
	char why[WHY_MAX];

	(void)state;
	assert_int_equal(config_server_parse(&s, "unix:/run/web.sock", why), 0);
	assert_int_equal(s.addr.family, AF_UNIX);
	assert_string_equal(s.name, "unix:/run/web.sock");
}

static void others_are_refused_and_change_nothing(void **state)
{
	static const char *const bad[] = {
		"",           "a",       "a:",    ":80",         "*:80",
		"0.0.0.0:80", "[::]:80", "a:0",   "192.0.2.1:0", "192.0.2.256:7",
		"a..b:7",     "a:65536", "a:b:7", "unix:",       "unix:web.sock",
		"[::1]",      "a:7 ",    "a:07x", "a b:7",       "[fe80::1%1]:8x",
	};
	const struct conf_server before = {.port = 9, .name = "before"};
	struct conf_server s = before;
	char why[WHY_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		why[0] = '\0';
		if (config_server_parse(&s, bad[i], why) != -EINVAL)
			fail_msg("%s is no server", bad[i]);
		assert_true(why[0] == '"');
		assert_memory_equal(&s, &before, sizeof(s));
	}
}

static void what_looks_like_one(void **state)
{
	(void)state;
	assert_true(config_server_like("a:1") && config_server_like("[::1]:2") &&
		    config_server_like("unix:/a") && config_server_like("/run/a"));
	assert_false(config_server_like("web") || config_server_like("web-2.a_b") ||
		     config_server_like(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address),
		cmocka_unit_test(a_name),
		cmocka_unit_test(a_unix_socket),
		cmocka_unit_test(others_are_refused_and_change_nothing),
		cmocka_unit_test(what_looks_like_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
