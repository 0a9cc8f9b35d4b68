/* SPDX-License-Identifier: BSD-2-Clause */
/* config_flags.c: argv into settings, and arguments that are not options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "config/config_flags.h"
#include "tests/lib/heard.h"
#include "tests/lib/loading.h"

/* Settings of `args`, which are separated by blanks. */
static int read_flags(struct settings *to, char *args, const char **file, bool *help)
{
	struct mistakes m = {0};
	char *argv[64] = {"run"};
	int argc = 1, err;

	for (char *word = strtok(args, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	heard_begin();
	err = config_read_flags(to, argc, argv, file, help, &m);
	heard_end();
	return err;
}

static void assert_setting(const struct setting *s, const char *name, int listener, size_t pair,
			   const char *text, const char *path)
{
	assert_string_equal(s->opt->name, name);
	assert_int_equal(s->listener, listener);
	assert_int_equal(s->pair, pair);
	assert_string_equal(s->text, text);
	assert_string_equal(s->place.path, path);
	assert_null(s->place.file);
	assert_int_equal(s->place.line, 0);
}

/* Options of a listener apply to the --listen before them. */
static void flags_belong_to_the_listener_before_them(void **state)
{
	_cleanup_(settings_clear)
	struct settings s = {0};
	char args[] = "--tls off --listen :1 --tls=on --app a:1 -c f --listen :2 --trust x";
	const char *file = NULL;
	bool help = false;

	assert_int_equal(read_flags(&s, args, &file, &help), 0);
	assert_string_equal(file, "f");
	assert_false(help);
	assert_int_equal(s.count, 6);
	assert_setting(&s.all[0], "tls", -1, 0, "off", "--tls");
	assert_setting(&s.all[1], "listen", 0, 0, ":1", "--listen");
	assert_setting(&s.all[2], "tls", 0, 0, "on", "--tls");
	assert_setting(&s.all[3], "app", -1, 0, "a:1", "--app");
	assert_setting(&s.all[4], "listen", 1, 0, ":2", "--listen");
	assert_setting(&s.all[5], "trust", 1, 0, "x", "--trust");
	assert_int_equal(s.listeners_count, 2);
	assert_string_equal(s.listeners[0].path, "--listen :1");
	assert_string_equal(s.listeners[1].path, "--listen :2");
}

/* The n-th cert and the n-th key are a pair. An OCSP response is for the cert before it. */
static void certificates_and_keys_are_counted(void **state)
{
	static const size_t pairs[] = {0, 0, 1, 1, 0, 1, 0, 0, 0, 0};
	_cleanup_(settings_clear)
	struct settings s = {0};
	char args[] = "--cert a --ocsp b --cert c --ocsp d --key e --key f "
		      "--listen :1 --ocsp g --key h --cert i";
	const char *file = NULL;
	bool help = false;

	assert_int_equal(read_flags(&s, args, &file, &help), 0);
	assert_int_equal(s.count, sizeof(pairs) / sizeof(pairs[0]));
	for (size_t i = 0; i < s.count; i++)
		assert_int_equal(s.all[i].pair, pairs[i]);
	assert_null(file);
}

static void help_is_found_anywhere(void **state)
{
	static const char *const lines[] = {"--help", "-h", "--app a:1 -h", "stray --help --nope"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		_cleanup_(settings_clear)
		struct settings s = {0};
		const char *file = NULL;
		char args[64] = "";
		bool help = false;

		strcat(args, lines[i]);
		assert_true(read_flags(&s, args, &file, &help) >= 0);
		assert_true(help);
	}
}

/* 1: the mistake may have been meant to name the file. */
static void a_file_that_was_not_understood_is_told(void **state)
{
	static const struct {
		const char *args;
		int status;
	} cases[] = {
		{"", 0},         {"kedge.yaml", 1},  {"-c", 1},        {"--config a", 1},
		{"--conf=a", 1}, {"--file", 1},      {"-x", 0},        {"--nope a", 0},
		{"--", 0},       {"-c a --nope", 0}, {"--configs", 0}, {"-c a b", 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(settings_clear)
		struct settings s = {0};
		const char *file = NULL;
		char args[64] = "";
		bool help = false;

		strcat(args, cases[i].args);
		assert_int_equal(read_flags(&s, args, &file, &help), cases[i].status);
	}
}

static void a_flag_may_carry_its_value_behind_an_equals_sign(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf =
		must_load(NULL, "--listen=:1 --tls=off --app=localhost:2 --cgroup=/a=b");

	assert_string_equal(conf->cgroup, "/a=b");
	assert_string_equal(conf->apps[0].name, "127.0.0.1:2");
}

static const struct mistake_case flag_mistakes[] = {
	{NULL, FINE "stray", "stray: not an option: a file is given as -c FILE\n"},
	{NULL, FINE "-x", "-x: not an option: see --help\n"},
	{NULL, FINE "--", "--: not an option: see --help\n"},
	{NULL, FINE "--work 3", "--work: unknown option: see --help\n"},
	{NULL, "kedge.yaml", "kedge.yaml: not an option: a file is given as -c FILE\n"},
	{NULL, "-c", "-c: needs a file\n"},
	{NULL, "--config kedge.yaml", "--config: unknown option: a file is given as -c FILE\n"},
	{NULL, "--file=x", "--file=x: unknown option: a file is given as -c FILE\n"},
	{NULL, FINE "--log_level debug --hanshakes-max 3",
	 "--log_level: unknown option; did you mean --log-level?\n"
	 "--hanshakes-max: unknown option; did you mean --handshakes-max?\n"},
	{NULL, FINE "--workerss=3 --foo",
	 "--workerss=3: unknown option; did you mean --workers?\n"
	 "--foo: unknown option: see --help\n"},
	{NULL, FINE "--workers", "--workers: needs a value\n"},
	{NULL, FINE "--workers --pin off", "--workers: needs a value\n"},
	{NULL, FINE "-c", "-c: needs a file\n"},
	{NULL, FINE "-c /dev/null -c /dev/null", "-c: given twice: only one file is read\n"},
};

static void mistakes_in_flags_say_the_next_step(void **state)
{
	check_mistakes(flag_mistakes, sizeof(flag_mistakes) / sizeof(flag_mistakes[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_belong_to_the_listener_before_them),
		cmocka_unit_test(certificates_and_keys_are_counted),
		cmocka_unit_test(help_is_found_anywhere),
		cmocka_unit_test(a_file_that_was_not_understood_is_told),
		cmocka_unit_test(a_flag_may_carry_its_value_behind_an_equals_sign),
		cmocka_unit_test(mistakes_in_flags_say_the_next_step),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
