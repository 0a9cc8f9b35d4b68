/* SPDX-License-Identifier: BSD-2-Clause */
/* config_settings.c: settings are copied in order, also if memory runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config_options.h"
#include "config/config_settings.h"
#include "tests/lib/no_memory.h"

static void both_are_copied_in_order(void **state)
{
	_cleanup_(settings_clear)
	struct settings s = {0};
	char text[8] = "one", raw[8] = "${A}", path[16] = "listeners[0]";
	struct setting written = {.opt = &config_options[1],
				  .listener = 3,
				  .pair = 4,
				  .text = text,
				  .raw = raw,
				  .place = {"file", 7, path}};

	assert_int_equal(settings_add(&s, &written), 0);
	assert_int_equal(settings_add_listener(&s, &written.place), 0);
	strcpy(text, "two");
	written.raw = NULL;
	strcpy(path, "--tls");
	written.place.line = 8;
	assert_int_equal(settings_add(&s, &written), 0);
	assert_int_equal(settings_add_listener(&s, &written.place), 0);
	strcpy(text, "no");
	strcpy(raw, "no");
	strcpy(path, "no");
	assert_int_equal(s.count, 2);
	assert_string_equal(s.all[0].text, "one");
	assert_string_equal(s.all[0].raw, "${A}");
	assert_null(s.all[1].raw);
	assert_string_equal(s.all[0].place.path, "listeners[0]");
	assert_int_equal(s.all[0].place.line, 7);
	assert_ptr_equal(s.all[0].opt, &config_options[1]);
	assert_int_equal(s.all[0].listener, 3);
	assert_int_equal(s.all[0].pair, 4);
	assert_string_equal(s.all[1].text, "two");
	assert_string_equal(s.all[1].place.path, "--tls");
	assert_int_equal(s.listeners_count, 2);
	assert_string_equal(s.listeners[0].path, "listeners[0]");
	assert_string_equal(s.listeners[1].path, "--tls");
	assert_int_equal(s.listeners[1].line, 8);
}

static void routes_are_found_apart_from_their_listener(void **state)
{
	_cleanup_(settings_clear)
	struct settings s = {0};
	const struct option_def *alpn = option_find("alpn", strlen("alpn"));
	struct setting written = {.opt = alpn,
				  .app = -1,
				  .text = (char[]){"h2"},
				  .place.path = (char[]){"listeners[0].routes[1].alpn[0]"}};

	(void)state;
	assert_int_equal(settings_add_route(&s, 0, &written.place), 0);
	assert_string_equal(s.routes[0].place.path, written.place.path);
	written.route = 2;
	assert_int_equal(settings_add(&s, &written), 0);
	assert_null(settings_find(&s, "alpn", 0, -1));
	assert_null(settings_find_of_route(&s, "alpn", 0, 1));
	assert_null(settings_find_of_route(&s, "alpn", 1, 2));
	assert_ptr_equal(settings_find_of_route(&s, "alpn", 0, 2), &s.all[0]);
	no_memory_after = 0;
	assert_int_equal(settings_add_route(&s, 0, &written.place), -ENOMEM);
	no_memory_after = 1;
	assert_int_equal(settings_add_route(&s, 0, &written.place), -ENOMEM);
	no_memory_after = -1;
	assert_int_equal(s.routes_count, 1);
}

static void an_empty_list_has_no_text(void **state)
{
	_cleanup_(settings_clear)
	struct settings s = {0};
	const struct setting written = {.opt = config_options, .place.path = (char[]){"trust"}};

	assert_int_equal(settings_add(&s, &written), 0);
	assert_null(s.all[0].text);
}

static void cleared_is_empty(void **state)
{
	struct settings s = {0};
	const struct setting written = {
		.opt = config_options, .text = (char[]){"x"}, .place.path = (char[]){"trust"}};

	settings_clear(&s);
	for (int turn = 0; turn < 2; turn++) {
		for (int i = 0; i < 100; i++) {
			assert_int_equal(settings_add(&s, &written), 0);
			assert_int_equal(settings_add_listener(&s, &written.place), 0);
		}
		assert_int_equal(s.count, 100);
		settings_clear(&s);
		assert_null(s.all);
		assert_null(s.listeners);
		assert_int_equal(s.count, 0);
		assert_int_equal(s.listeners_count, 0);
	}
}

/* Whichever allocation fails: earlier settings stay, nothing leaks (the sanitizer checks). */
static void without_memory_nothing_is_added(void **state)
{
	_cleanup_(settings_clear)
	struct settings s = {0};
	const struct setting written = {
		.opt = config_options, .text = (char[]){"x"}, .place.path = (char[]){"app"}};

	assert_int_equal(settings_add(&s, &written), 0);
	assert_int_equal(settings_add_listener(&s, &written.place), 0);
	for (int n = 0; n < 3; n++) {
		no_memory_after = n;
		assert_int_equal(settings_add(&s, &written), -ENOMEM);
	}
	for (int n = 0; n < 2; n++) {
		no_memory_after = n;
		assert_int_equal(settings_add_listener(&s, &written.place), -ENOMEM);
	}
	no_memory_after = -1;
	assert_int_equal(s.count, 1);
	assert_int_equal(s.listeners_count, 1);
	assert_string_equal(s.all[0].text, "x");
	assert_int_equal(settings_add(&s, &written), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_are_copied_in_order),
		cmocka_unit_test(routes_are_found_apart_from_their_listener),
		cmocka_unit_test(an_empty_list_has_no_text),
		cmocka_unit_test(cleared_is_empty),
		cmocka_unit_test(without_memory_nothing_is_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
