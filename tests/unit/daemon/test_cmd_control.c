/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_control.c: options, what is asked, how an answer is printed, and the exit status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <getopt.h>
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/control.h"
#include "daemon/control_ask.h"
#include "tests/lib/loading.h"

static char asked[2 * CONTROL_LINE_MAX];
static const char *reply; /* JSON; NULL: nobody answers */

static json_t *fake_ask(const char *path, const char *command)
{
	assert_string_equal(asked, "");
	snprintf(asked, sizeof(asked), "%s at %s", command, path);
	return reply ? json_loads(reply, 0, NULL) : NULL;
}

static const char *later; /* the second answer */

static json_t *fake_try(const char *path, const char *command, unsigned ms, char why[CONTROL_WHY])
{
	assert_string_equal(command, "status");
	assert_non_null(strstr(asked, path));
	return later ? json_loads(later, 0, NULL) : NULL;
}

#define control_ask    fake_ask
#define control_try    fake_try
#define poll(f, n, ms) ((void)0)
#include "daemon/cmd_control.c"
#undef control_ask
#undef control_try
#undef poll

static struct loaded run(int (*command)(int, char **), const char *name, const char *args)
{
	optind = 0; /* getopt_long(3) begins again */
	asked[0] = '\0';
	return run_command(command, name, args);
}

static struct loaded status(const char *args)
{
	return run(cmd_status, "status", args);
}

static struct loaded reload_(const char *args)
{
	return run(cmd_reload, "reload", args);
}

static struct loaded server(const char *args)
{
	return run(cmd_server, "server", args);
}

static void status_is_asked_twice_and_printed_for_people(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = {0}, ended = {0}, all = {0};

	(void)state;
	reply = "{\"version\": \"7\", \"pid\": 9, \"uptime_ms\": 60000, \"requests\": 1}";
	later = "{\"version\": \"7\", \"pid\": 9, \"uptime_ms\": 60500, \"requests\": 21}";
	l = status("");
	assert_string_equal(asked, "status at /run/kedge/kedge.sock");
	assert_int_equal(l.status, EXIT_DONE);
	assert_int_equal(strncmp(l.out, "kedge 7, pid 9, up 1 min 0 s, ", 30), 0);
	assert_non_null(strstr(l.out, "\nrequests: 21, 40.0/s now, "));
	assert_null(strstr(l.out, "\nclosed "));
	assert_string_equal(l.err, "");
	all = status("--all");
	assert_non_null(strstr(all.out, "\nclosed "));
	later = NULL; /* it ends in between */
	ended = status("");
	assert_int_equal(ended.status, EXIT_DONE);
	assert_non_null(strstr(ended.out, "\nrequests: 1, 0.0/s on average\n"));
	assert_string_equal(ended.err, "");
}

static void json_is_printed_as_it_came(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = {0}, reloaded = {0}, older = {0};

	(void)state;
	reply = "{\"b\": 1, \"a\": [\"x\"]}";
	l = status("--json --control /x/y");
	assert_string_equal(asked, "status at /x/y");
	assert_int_equal(l.status, EXIT_DONE);
	assert_string_equal(l.out, "{\n  \"b\": 1,\n  \"a\": [\n    \"x\"\n  ]\n}\n");
	reply = "{\"ok\": false}";
	reloaded = reload_("--json");
	assert_int_equal(reloaded.status, EXIT_FAILED);
	assert_string_equal(reloaded.out, "{\n  \"ok\": false\n}\n");
	reply = "{\"error\": \"unknown command\"}";
	older = server("--json a:1 drain");
	assert_int_equal(older.status, EXIT_FAILED);
	assert_string_equal(older.out, "{\n  \"error\": \"unknown command\"\n}\n");
}

static void a_reload_says_whether_it_was_done(void **state)
{
	static const struct {
		const char *reply;
		int status;
		const char *out, *err;
	} cases[] = {
		{"{\"ok\": true, \"generation\": 2, \"changed\": [\"workers: 1 -> 2\"],"
		 " \"restart\": [\"control: a -> b\"], \"lines\": [\"kedge: warning: w\"]}",
		 EXIT_DONE,
		 "workers: 1 -> 2\nneeds a restart: control: a -> b\n"
		 "reloaded (configuration 2)\n",
		 "kedge: warning: w\n"},
		{"{\"ok\": true, \"generation\": 3, \"changed\": []}", EXIT_DONE,
		 "reloaded, no changes (configuration 3)\n", ""},
		{"{\"ok\": false, \"generation\": 3, \"lines\": [\"kedge: error: e\"]}",
		 EXIT_FAILED, "", "kedge: error: e\n"},
		{"{\"ok\": false, \"error\": \"draining: no reload any more\"}", EXIT_FAILED, "",
		 "kedge: error: draining: no reload any more\n"},
		{"{\"error\": \"unknown command\"}", EXIT_FAILED, "",
		 "kedge: error: unknown command\n"},
		{"{}", EXIT_FAILED, "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(loaded_free)
		struct loaded l = {0};

		reply = cases[i].reply;
		l = reload_("--control /c");
		assert_string_equal(asked, "reload at /c");
		assert_int_equal(l.status, cases[i].status);
		assert_string_equal(l.out, cases[i].out);
		assert_string_equal(l.err, cases[i].err);
	}
}

static void servers_are_listed_or_changed(void **state)
{
	static const struct {
		const char *args, *asks;
	} cases[] = {
		{"", "server at /run/kedge/kedge.sock"},
		{"--control /c", "server at /c"},
		{"web/unix:/run/x drain", "server web/unix:/run/x drain at /run/kedge/kedge.sock"},
		{"--control /c a:1 ready", "server a:1 ready at /c"},
		{"a:1 down --control /c", "server a:1 down at /c"},
	};

	(void)state;
	reply = "{\"ok\": true, \"applications\": [{\"application\": \"a:1\", \"servers\": "
		"[{\"server\": \"a:1\", \"state\": \"drain\", \"connections\": 2}]}]}";
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(loaded_free)
		struct loaded l = server(cases[i].args);

		assert_string_equal(asked, cases[i].asks);
		assert_int_equal(l.status, EXIT_DONE);
		assert_string_equal(l.out, "application a:1: 2 connections, drain\n");
	}
}

static void a_server_that_is_refused_is_a_failure(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = {0};

	(void)state;
	reply = "{\"ok\": false, \"error\": \"there is no server x\"}";
	l = server("x drain");
	assert_int_equal(l.status, EXIT_FAILED);
	assert_string_equal(l.err, "kedge: error: there is no server x\n");
}

static void what_is_no_command_about_a_server_asks_nobody(void **state)
{
	static char longest[CONTROL_LINE_MAX];
	static const char *const args[] = {"a:1", "a:1 drain now", longest, "a\nb drain"};

	(void)state;
	memset(longest, 'x', sizeof(longest) - 8);
	memcpy(longest + sizeof(longest) - 8, " drain", 7);
	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
		_cleanup_(loaded_free)
		struct loaded l = server(args[i]);

		assert_int_equal(l.status, EXIT_USAGE);
		assert_string_equal(asked, "");
		assert_non_null(strstr(l.err, i < 2 ? "takes a server and its new state"
						    : "no server has such a name"));
	}
}

static void nobody_who_answers_is_a_failure(void **state)
{
	static const char *const args[] = {"", "--json"};

	(void)state;
	reply = NULL;
	for (size_t i = 0; i < 2; i++) {
		_cleanup_(loaded_free)
		struct loaded l = status(args[i]);

		assert_int_equal(l.status, EXIT_FAILED);
		assert_string_equal(l.out, "");
	}
}

static void help_asks_nobody(void **state)
{
	static const char *const args[] = {"--help", "-h", "--json --help"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		_cleanup_(loaded_free)
		struct loaded l = reload_(args[i]);

		assert_int_equal(l.status, EXIT_DONE);
		assert_string_equal(asked, "");
		assert_string_equal(l.out, "usage: kedge reload [--json] [--control PATH]   "
					   "(default /run/kedge/kedge.sock)\n");
	}
}

static void mistakes_ask_nobody(void **state)
{
	static const struct {
		const char *args, *says;
	} cases[] = {
		{"--jason", "--jason: unknown option; did you mean --json?"},
		{"--control", "--control: needs a value"},
		{"-x", "-x: unknown option: see kedge status --help"},
		{"--json=1", "takes no value"},
		{"/run/other.sock", "kedge: error: /run/other.sock: not an option: see kedge "
				    "status --help\n"},
		{"--json -- x", "kedge: error: x: not an option"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(loaded_free)
		struct loaded l = status(cases[i].args);

		assert_int_equal(l.status, EXIT_USAGE);
		assert_string_equal(asked, "");
		assert_string_equal(l.out, "");
		if (!strstr(l.err, cases[i].says))
			fail_msg("%s: %s", cases[i].args, l.err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_is_asked_twice_and_printed_for_people),
		cmocka_unit_test(json_is_printed_as_it_came),
		cmocka_unit_test(a_reload_says_whether_it_was_done),
		cmocka_unit_test(servers_are_listed_or_changed),
		cmocka_unit_test(a_server_that_is_refused_is_a_failure),
		cmocka_unit_test(what_is_no_command_about_a_server_asks_nobody),
		cmocka_unit_test(nobody_who_answers_is_a_failure),
		cmocka_unit_test(help_asks_nobody),
		cmocka_unit_test(mistakes_ask_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
