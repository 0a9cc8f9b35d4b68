/* SPDX-License-Identifier: BSD-2-Clause */
/* config_keys.c: the keys of each mapping, and the hint for an unknown one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "config/config_keys.h"

static bool has(enum config_level level, const char *name)
{
	size_t key = key_find(level, name, strlen(name));

	assert_true(key == KEYS_MAX || !strcmp(key_name(level, key), name));
	return key < KEYS_MAX;
}

static void each_level_has_its_keys(void **state)
{
	static const struct {
		const char *name;
		bool top, listener, cert, app, check;
	} cases[] = {
		{"app", .top = true, .listener = true},
		{"tls", .top = true, .listener = true},
		{"trust", .top = true, .listener = true},
		{"mode", .top = true, .listener = true, .app = true},
		{"listen", .listener = true},
		{"cert", .cert = true},
		{"ocsp", .cert = true},
		{"certs", .top = true, .listener = true},
		{"listeners", .top = true},
		{"apps", .top = true},
		{"servers", .app = true},
		{"backup", .top = true, .app = true},
		{"check", .top = true, .app = true},
		{"path", .check = true},
		{"every-ms", .check = true},
		{"workers", .top = true},
		{"check-path", .top = false},
		{"nothing", .top = false},
		{"", .top = false},
		{"App", .top = false},
		{"ap", .top = false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(has(LEVEL_TOP, cases[i].name), cases[i].top);
		assert_int_equal(has(LEVEL_LISTENER, cases[i].name), cases[i].listener);
		assert_int_equal(has(LEVEL_CERT, cases[i].name), cases[i].cert);
		assert_int_equal(has(LEVEL_APP, cases[i].name), cases[i].app);
		assert_int_equal(has(LEVEL_CHECK, cases[i].name), cases[i].check);
	}
	assert_int_equal(key_find(LEVEL_TOP, "certs", 5), KEY_CERTS);
	assert_int_equal(key_find(LEVEL_TOP, "listeners", 9), KEY_LISTENERS);
	assert_int_equal(key_find(LEVEL_TOP, "apps", 4), KEY_APPS);
	assert_int_equal(key_find(LEVEL_TOP, "application", 3), key_find(LEVEL_TOP, "app", 3));
}

/* Between the last option and the three others there are none. */
static void rows_beyond_the_table_have_no_name(void **state)
{
	for (size_t key = config_options_count; key < CONFIG_OPTIONS_MAX; key++)
		for (enum config_level level = LEVEL_TOP; level <= LEVEL_CHECK; level++)
			assert_null(key_name(level, key));
	assert_null(key_name(LEVEL_TOP, KEYS_MAX));
}

/* No option is lost: each is a key somewhere. */
static void every_option_is_a_key(void **state)
{
	for (size_t i = 0; i < config_options_count; i++) {
		const char *name = config_options[i].name;
		bool check = !strncmp(name, "check-", strlen("check-"));
		unsigned levels = 0;

		for (enum config_level level = LEVEL_TOP; level <= LEVEL_CHECK; level++)
			levels += has(level, check ? name + strlen("check-") : name);
		assert_true(levels);
	}
}

static void an_unknown_key_is_explained(void **state)
{
	static const struct {
		enum config_level level;
		const char *name, *why;
	} cases[] = {
		{LEVEL_TOP, "worker", "unknown key; did you mean workers?"},
		{LEVEL_TOP, "listener", "unknown key; did you mean listeners?"},
		{LEVEL_LISTENER, "cets", "unknown key; did you mean certs?"},
		{LEVEL_CERT, "kye", "unknown key; did you mean key?"},
		/* Near to nothing of its own level. */
		{LEVEL_CERT, "worker", "unknown key; known are cert, key, ocsp"},
		{LEVEL_CERT, "", "unknown key; known are cert, key, ocsp"},
		{LEVEL_LISTENER, "address",
		 "unknown key; known are listen, tls, mode, alpn, app, proxy-protocol, trust, "
		 "self-signed, strict-sni, listener-connections-max, socket-mode, splice, "
		 "certs, routes"},
		/* A key of another level, although one of this level is near. */
		{LEVEL_TOP, "cert", "unknown key here; it belongs in an entry of certs"},
		{LEVEL_TOP, "listen", "unknown key here; it belongs in an entry of listeners"},
		{LEVEL_LISTENER, "workers", "unknown key here; it belongs at the top level"},
		{LEVEL_LISTENER, "servers", "unknown key here; it belongs in an entry of apps"},
		{LEVEL_APP, "path", "unknown key here; it belongs in check"},
		{LEVEL_CHECK, "pat", "unknown key; did you mean path?"},
		{LEVEL_CERT, "tls", "unknown key here; it belongs at the top level"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char why[KEY_WHY_MAX];

		key_explain(why, cases[i].level, cases[i].name, strlen(cases[i].name));
		assert_string_equal(why, cases[i].why);
	}
}

static void a_key_may_have_a_nul(void **state)
{
	char why[KEY_WHY_MAX];

	key_explain(why, LEVEL_TOP, "app\0x", 5);
	assert_string_equal(why, "unknown key with a NUL character in it");
}

/* The list of all keys is whole, with room for more. */
static void all_keys_fit(void **state)
{
	char why[KEY_WHY_MAX];
	size_t len;

	key_explain(why, LEVEL_TOP, "?", 1);
	len = strlen(why);
	assert_string_equal(why + len - strlen(", certs, listeners, apps"),
			    ", certs, listeners, apps");
	assert_in_range(len, 500, KEY_WHY_MAX - 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_level_has_its_keys),
		cmocka_unit_test(rows_beyond_the_table_have_no_name),
		cmocka_unit_test(every_option_is_a_key),
		cmocka_unit_test(an_unknown_key_is_explained),
		cmocka_unit_test(a_key_may_have_a_nul),
		cmocka_unit_test(all_keys_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
