/* SPDX-License-Identifier: BSD-2-Clause */
/* main.c: which command is run with what, and what is said when there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "daemon/cmd_check.h"
#include "daemon/cmd_control.h"
#include "daemon/cmd_probe.h"
#include "daemon/cmd_run.h"
#include "tests/lib/loading.h"
#include "tls/openssl_memory.h"

static const char *ran;
static int ran_argc;
static char ran_argv[256];

static int run(const char *name, int argc, char **argv)
{
	assert_null(ran);
	ran = name;
	ran_argc = argc;
	ran_argv[0] = '\0';
	for (int i = 0; i < argc; i++) {
		strcat(ran_argv, argv[i]);
		strcat(ran_argv, " ");
	}
	assert_null(argv[argc]);
	return 42;
}

#define COMMAND(name)                                 \
	static int fake_##name(int argc, char **argv) \
	{                                             \
		return run(#name, argc, argv);        \
	}
COMMAND(cmd_run)
COMMAND(cmd_probe)
COMMAND(cmd_check)
COMMAND(cmd_reload)
COMMAND(cmd_status)

static bool memory_is_wiped = true;

static bool fake_openssl_memory_init(void)
{
	return memory_is_wiped;
}

#define openssl_memory_init fake_openssl_memory_init
#define main                kedge_main
#define cmd_run             fake_cmd_run
#define cmd_probe           fake_cmd_probe
#define cmd_check           fake_cmd_check
#define cmd_reload          fake_cmd_reload
#define cmd_status          fake_cmd_status
int kedge_main(int argc, char **argv);
#include "daemon/main.c"
#undef main

static struct loaded kedge(const char *args)
{
	ran = NULL;
	return run_command(kedge_main, "kedge", args);
}

static void each_command_gets_its_own_arguments(void **state)
{
	static const char *const names[] = {"run", "probe", "check", "reload", "status"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		_cleanup_(loaded_free)
		struct loaded l = {0};
		char args[64], expected[64];

		snprintf(args, sizeof(args), "%s --help -x", names[i]);
		l = kedge(args);
		assert_int_equal(l.status, 42);
		assert_non_null(ran);
		assert_string_equal(ran + strlen("cmd_"), names[i]);
		assert_int_equal(ran_argc, 3);
		snprintf(expected, sizeof(expected), "%s --help -x ", names[i]);
		assert_string_equal(ran_argv, expected);
		assert_string_equal(l.out, "");
		assert_string_equal(l.err, "");
	}
}

static void help_lists_the_commands(void **state)
{
	static const char *const asked[] = {"--help", "-h", "help", "help help", "help version"};

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		_cleanup_(loaded_free)
		struct loaded l = kedge(asked[i]);

		assert_int_equal(l.status, EXIT_DONE);
		assert_null(ran);
		assert_string_equal(l.err, "");
		assert_int_equal(strncmp(l.out, "usage: kedge COMMAND [OPTION]...\n\n", 34), 0);
		assert_non_null(strstr(l.out, "\n  run      take connections"));
		assert_non_null(strstr(l.out, "\n  probe    "));
		assert_non_null(strstr(l.out, "\n  check    "));
		assert_non_null(strstr(l.out, "\n  reload   "));
		assert_non_null(strstr(l.out, "\n  status   "));
		assert_non_null(strstr(l.out, "\n  version  print the version\n"));
	}
}

static void the_version_is_one_line(void **state)
{
	static const char *const asked[] = {"--version", "-V", "version"};

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		_cleanup_(loaded_free)
		struct loaded l = kedge(asked[i]);

		assert_int_equal(l.status, EXIT_DONE);
		assert_string_equal(l.out, "kedge " KEDGE_VERSION "\n");
		assert_string_equal(l.err, "");
	}
}

static void help_of_a_command_is_its_own(void **state)
{
	static const char *const asked[] = {"help status", "--help status", "-h status"};

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		_cleanup_(loaded_free)
		struct loaded l = kedge(asked[i]);

		assert_int_equal(l.status, 42);
		assert_string_equal(ran, "cmd_status");
		assert_string_equal(ran_argv, "status --help ");
	}
}

static void help_of_two_commands_or_of_none(void **state)
{
	struct loaded l = kedge("help run check");

	(void)state;
	assert_int_equal(l.status, EXIT_USAGE);
	assert_null(ran);
	assert_string_equal(l.err, "kedge: error: help: check: one command at a time\n");
	loaded_free(&l);
	l = kedge("help nothing");
	assert_int_equal(l.status, EXIT_USAGE);
	assert_string_equal(l.err,
			    "kedge: error: there is no command \"nothing\": see kedge help\n");
	loaded_free(&l);
}

static void no_command_is_a_mistake(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = kedge("");

	(void)state;
	assert_int_equal(l.status, EXIT_USAGE);
	assert_null(ran);
	assert_string_equal(l.out, "");
	assert_int_equal(strncmp(l.err, "usage: kedge COMMAND", 20), 0);
}

static void an_unknown_command_is_named(void **state)
{
	static const char *const unknown[][2] = {
		{"start", ": see kedge help"},   {"Run", "; did you mean run?"},
		{"runs", "; did you mean run?"}, {"stauts", "; did you mean status?"},
		{"ru", "; did you mean run?"},   {"--status", "; did you mean status?"},
		{"-v", ": see kedge help"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		_cleanup_(loaded_free)
		struct loaded l = kedge(unknown[i][0]);
		char line[96];

		snprintf(line, sizeof(line), "kedge: error: there is no command \"%s\"%s\n",
			 unknown[i][0], unknown[i][1]);
		assert_int_equal(l.status, EXIT_USAGE);
		assert_null(ran);
		assert_string_equal(l.out, "");
		assert_string_equal(l.err, line);
	}
}

/* The real one would be too late, once it has run. */
static void memory_that_is_not_wiped(void **state)
{
	struct loaded l;

	(void)state;
	memory_is_wiped = false;
	l = kedge("--version");
	memory_is_wiped = true;
	assert_int_equal(l.status, 1);
	assert_string_equal(l.out, "");
	assert_non_null(strstr(l.err, "OpenSSL does not let its memory be wiped"));
	loaded_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_command_gets_its_own_arguments),
		cmocka_unit_test(help_lists_the_commands),
		cmocka_unit_test(the_version_is_one_line),
		cmocka_unit_test(help_of_a_command_is_its_own),
		cmocka_unit_test(help_of_two_commands_or_of_none),
		cmocka_unit_test(no_command_is_a_mistake),
		cmocka_unit_test(an_unknown_command_is_named),
		cmocka_unit_test(memory_that_is_not_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
