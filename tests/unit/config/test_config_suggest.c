/* SPDX-License-Identifier: BSD-2-Clause */
/* config_suggest.c: the name that was probably meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "config/config_suggest.h"

static const char *const names[] = {"tls",     "trust",          "app",
				    "workers", "handshakes-max", "idle-timeout-ms",
				    "xff",     "head-timeout-ms"};

static const char *nearest(const char *written)
{
	struct suggestion s = {0};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		suggest(&s, written, strlen(written), names[i]);
	return s.name ? s.name : "";
}

static void a_slip_of_the_finger(void **state)
{
	static const struct {
		const char *written, *meant;
	} cases[] = {
		{"worker", "workers"},   /* one less */
		{"worrkers", "workers"}, /* one more */
		{"workerz", "workers"},  /* another */
		{"wrokers", "workers"},  /* two in the wrong order */
		{"wrokerss", "workers"}, /* and one more */
		{"Workers", "workers"},  /* no edit at all */
		{"WORKERS_", "workers"}, /* one */
		{"idle_timeout_ms", "idle-timeout-ms"},
		{"Idle_TimeOut", ""}, /* three less */
		{"tsl", "tls"},
		{"tlss", "tls"},
		{"tl", "tls"},
		{"tsll", ""}, /* two, in a short one */
		{"xxf", "xff"},
		{"handshake-max", "handshakes-max"},
		{"heed-timeout-ms", "head-timeout-ms"},
		{"", ""},
		{"x", ""},
		{"completely-different", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(nearest(cases[i].written), cases[i].meant);
}

/* In any order; the first of two equally near names. */
static void the_nearest_wins(void **state)
{
	struct suggestion s = {0};

	suggest(&s, "guard-keep-", 11, "guard-kee");
	assert_int_equal(s.edits, 2);
	suggest(&s, "guard-keep-", 11, "guard-keep");
	assert_string_equal(s.name, "guard-keep");
	assert_int_equal(s.edits, 1);
	suggest(&s, "guard-keep-", 11, "guard-keept");
	assert_string_equal(s.name, "guard-keep");
	suggest(&s, "guard-keep-", 11, "guard-kee");
	assert_string_equal(s.name, "guard-keep");
}

/* Long words do not overflow the table. */
static void long_words_are_near_nothing(void **state)
{
	char word[200];
	struct suggestion s = {0};

	for (size_t len = 40; len < sizeof(word); len++) {
		memset(word, 'x', len);
		word[len] = '\0';
		suggest(&s, word, len, "workers");
		assert_null(s.name);
		s = (struct suggestion){0};
		suggest(&s, "workers", 7, word);
		assert_null(s.name);
		suggest(&s, word, len, word);
		assert_int_equal(s.name != NULL, len <= 48);
		s = (struct suggestion){0};
	}
}

/* Bytes after the given length are ignored. */
static void only_the_length_counts(void **state)
{
	struct suggestion s = {0};

	suggest(&s, "workers=3", 7, "workers");
	assert_string_equal(s.name, "workers");
	assert_int_equal(s.edits, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slip_of_the_finger),
		cmocka_unit_test(the_nearest_wins),
		cmocka_unit_test(long_words_are_near_nothing),
		cmocka_unit_test(only_the_length_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
