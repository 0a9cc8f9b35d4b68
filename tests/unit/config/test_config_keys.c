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
		bool top, listener, cert;
	} cases[] = {
		{"app", true, false, false},      {"tls", true, true, false},
		{"trust", true, true, false},     {"listen", false, true, false},
		{"cert", false, false, true},     {"ocsp", false, false, true},
		{"certs", true, true, false},     {"listeners", true, false, false},
		{"nothing", false, false, false}, {"", false, false, false},
		{"App", false, false, false},     {"ap", false, false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(has(LEVEL_TOP, cases[i].name), cases[i].top);
		assert_int_equal(has(LEVEL_LISTENER, cases[i].name), cases[i].listener);
		assert_int_equal(has(LEVEL_CERT, cases[i].name), cases[i].cert);
	}
	assert_int_equal(key_find(LEVEL_TOP, "certs", 5), KEY_CERTS);
	assert_int_equal(key_find(LEVEL_TOP, "listeners", 9), KEY_LISTENERS);
	assert_int_equal(key_find(LEVEL_TOP, "application", 3), key_find(LEVEL_TOP, "app", 3));
}

/* Between the last option and the two others there are none. */
static void rows_beyond_the_table_have_no_name(void **state)
{
	for (size_t key = config_options_count; key < CONFIG_OPTIONS_MAX; key++)
		for (enum config_level level = LEVEL_TOP; level <= LEVEL_CERT; level++)
			assert_null(key_name(level, key));
	assert_null(key_name(LEVEL_TOP, KEYS_MAX));
}

/* No option is lost: each is a key somewhere. */
static void every_option_is_a_key(void **state)
{
	for (size_t i = 0; i < config_options_count; i++)
		assert_true(has(LEVEL_TOP, config_options[i].name) ||
			    has(LEVEL_LISTENER, config_options[i].name) ||
			    has(LEVEL_CERT, config_options[i].name));
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
		 "unknown key; known are listen, tls, mode, alpn, proxy-protocol, trust, "
		 "strict-sni, listener-connections-max, socket-mode, splice, certs"},
		/* A key of another level, although one of this level is near. */
		{LEVEL_TOP, "cert", "unknown key here; it belongs in an entry of certs"},
		{LEVEL_TOP, "listen", "unknown key here; it belongs in an entry of listeners"},
		{LEVEL_LISTENER, "app", "unknown key here; it belongs at the top level"},
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
	assert_string_equal(why + len - strlen(", certs, listeners"), ", certs, listeners");
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
