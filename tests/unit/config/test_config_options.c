/* SPDX-License-Identifier: BSD-2-Clause */
/* config_options.c: one text becomes one checked field, or a reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_options.h"
#include "tests/lib/loading.h"

static const struct option_def *option(const char *name)
{
	const struct option_def *opt = option_find(name, strlen(name));

	assert_non_null(opt);
	return opt;
}

static int set(const char *name, void *base, const char *text, size_t pair, char why[WHY_MAX])
{
	return option_set(option(name), base, option(name)->offset, text, pair, why);
}

static void an_option_is_found_by_its_whole_name(void **state)
{
	assert_ptr_equal(option_find("workers=3", 7), option("workers"));
	assert_string_equal(option("workers")->name, "workers");
	assert_null(option_find("worker", 6));
	assert_null(option_find("workerss", 8));
	assert_null(option_find("", 0));
	assert_null(option_find("Workers", 7));
	assert_null(option_find("work\0rs", 7));
}

/* After any failure the old value is still there. */
static void a_refused_text_changes_nothing(void **state)
{
	static const struct {
		const char *option, *good, *bad;
	} cases[] = {
		{"workers", "7", "65"},
		{"workers", "7", ""},
		{"record", "off", "of"},
		{"tls-min", "1.3", "1.4"},
		{"pin", "/a", ""},
		{"user", "a", "12345678901234567890123456789012345678901234567890123456789012345"},
		{"xff-trust", "10.0.0.0/8", "10.0.0.0/33"},
		{"guard-interfaces", "eth0", ""},
		{"guard-interfaces", "eth0", "1234567890123456"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(conf_freep)
		struct conf *conf = calloc(1, sizeof(*conf));
		struct conf before;
		char why[WHY_MAX] = "";

		assert_non_null(conf);
		assert_int_equal(set(cases[i].option, conf, cases[i].good, 0, why), 0);
		assert_string_equal(why, "");
		before = *conf;
		assert_int_equal(set(cases[i].option, conf, cases[i].bad, 0, why), -EINVAL);
		assert_string_not_equal(why, "");
		assert_memory_equal(conf, &before, sizeof(before));
	}
}

static const char *refused(const char *name, void *base, const char *text)
{
	static char why[WHY_MAX];

	assert_int_equal(set(name, base, text, 0, why), -EINVAL);
	return why;
}

/* Which application, or which servers: config_apps.c finds that out. */
static void an_application_is_a_name_or_servers(void **state)
{
	_cleanup_(conf_listener_clear)
	struct conf_listener l = {0};
	char why[WHY_MAX], long_name[65];

	(void)state;
	assert_int_equal(set("app", &l, "127.0.0.1:5", 0, why), 0);
	assert_int_equal(set("app", &l, "app.internal:3000", 0, why), 0);
	assert_int_equal(set("app", &l, "unix:/run/app", 0, why), 0);
	assert_int_equal(set("app", &l, "web-2_a.B", 0, why), 0);
	assert_int_equal(l.app_text.count, 4);
	assert_string_equal(l.app_text.set[3], "web-2_a.B");
	assert_string_equal(refused("app", &l, "127.0.0.1:0"), "\"127.0.0.1:0\" has no port");
	assert_string_equal(refused("app", &l, "*:80"),
			    "\"*:80\" is not one address: name the host, such as 127.0.0.1");
	assert_non_null(strstr(refused("app", &l, "we b"), "is not the name of an application"));
	assert_non_null(strstr(refused("app", &l, ""), "is not the name of an application"));
	memset(long_name, 'a', 64);
	long_name[64] = '\0';
	assert_non_null(strstr(refused("app", &l, long_name), "is not the name of"));
	assert_int_equal(l.app_text.count, 4);
}

static void servers_are_kept_in_their_order(void **state)
{
	_cleanup_(conf_app_clear)
	struct conf_app app = {0};
	char why[WHY_MAX];

	(void)state;
	assert_int_equal(set("servers", &app, "127.0.0.1:5", 0, why), 0);
	assert_int_equal(set("backup", &app, "[::1]:6", 0, why), 0);
	assert_int_equal(set("servers", &app, "b:7", 0, why), 0);
	refused("servers", &app, "b");
	assert_int_equal(app.servers.count, 3);
	assert_false(app.servers.set[0].backup);
	assert_true(app.servers.set[1].backup);
	assert_string_equal(app.servers.set[1].name, "[::1]:6");
	assert_string_equal(app.servers.set[2].host, "b");
}

static void a_path_to_check_is_visible_text(void **state)
{
	_cleanup_(conf_app_clear)
	struct conf_app app = {0};
	char why[WHY_MAX], long_path[1026];

	(void)state;
	assert_int_equal(set("check-path", &app, "/a", 0, why), 0);
	assert_int_equal(set("check-path", &app, "/healthz?x=1", 0, why), 0);
	assert_non_null(strstr(refused("check-path", &app, "/a b"), "visible ASCII"));
	assert_non_null(strstr(refused("check-path", &app, "/a\r\nX: y"), "visible ASCII"));
	assert_non_null(strstr(refused("check-path", &app, ""), "visible ASCII"));
	assert_non_null(strstr(refused("check-path", &app, "a"), "begin with a slash"));
	assert_non_null(strstr(refused("check-path", &app, "/a#b"), "has a fragment"));
	assert_non_null(strstr(refused("check-path", &app, "/\x7f"), "visible ASCII"));
	memset(long_path, '/', 1025);
	long_path[1025] = '\0';
	assert_non_null(strstr(refused("check-path", &app, long_path), "is longer than 1024"));
	assert_string_equal(app.check_path, "/healthz?x=1");
}

static void a_host_to_check_is_one(void **state)
{
	_cleanup_(conf_app_clear)
	struct conf_app app = {0};
	char why[WHY_MAX];

	(void)state;
	assert_int_equal(set("check-host", &app, "up.example:8080", 0, why), 0);
	assert_non_null(strstr(refused("check-host", &app, "a b"), "visible ASCII"));
	assert_non_null(strstr(refused("check-host", &app, "a\r\nX: y"), "visible ASCII"));
	assert_non_null(strstr(refused("check-host", &app, "http://a"), "is not a host"));
	assert_string_equal(app.check_host, "up.example:8080");
}

static void a_status_or_a_range(void **state)
{
	static const char *const bad[] = {"",     "199",  "600",         "300-200",
					  "200-", "-300", "200-600",     "2xx",
					  "200 ", "0200", "200-300-400", "200--300"};
	_cleanup_(conf_app_clear)
	struct conf_app app = {0};
	char why[WHY_MAX];

	(void)state;
	assert_int_equal(set("check-status", &app, "200-399", 0, why), 0);
	assert_int_equal(app.check_status.from, 200);
	assert_int_equal(app.check_status.to, 399);
	assert_int_equal(set("check-status", &app, "204", 0, why), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused("check-status", &app, bad[i]);
	assert_int_equal(app.check_status.from, 204);
	assert_int_equal(app.check_status.to, 204);
}

/* The last one counts; none is lost. */
static void a_path_set_again_is_freed(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = calloc(1, sizeof(*conf));
	char why[WHY_MAX];

	assert_non_null(conf);
	assert_int_equal(set("control", conf, "/a", 0, why), 0);
	assert_int_equal(set("control", conf, "/b", 0, why), 0);
	assert_string_equal(conf->control, "/b");
	assert_int_equal(set("control", conf, "off", 0, why), 0);
	assert_null(conf->control);
	/* Not for every option: a cgroup may have this name. */
	assert_int_equal(set("cgroup", conf, "off", 0, why), 0);
	assert_string_equal(conf->cgroup, "off");
}

static void pairs_are_made_in_any_order_of_their_parts(void **state)
{
	_cleanup_(conf_listener_clear)
	struct conf_listener l = {0};
	char why[WHY_MAX];

	assert_int_equal(set("key", &l, "k0", 0, why), 0);
	assert_int_equal(set("ocsp", &l, "o1", 1, why), 0);
	assert_int_equal(set("cert", &l, "c1", 1, why), 0);
	assert_int_equal(set("cert", &l, "c0", 0, why), 0);
	assert_int_equal(l.certs_count, 2);
	assert_string_equal(l.certs[0].cert, "c0");
	assert_string_equal(l.certs[0].key, "k0");
	assert_null(l.certs[0].ocsp);
	assert_string_equal(l.certs[1].cert, "c1");
	assert_null(l.certs[1].key);
	assert_string_equal(l.certs[1].ocsp, "o1");
}

static void words_are_listed(void **state)
{
	char words[WHY_MAX];

	option_format_words(words, option("xff"), "|");
	assert_string_equal(words, "append|replace|if-none|never");
	option_format_words(words, option("app"), "|");
	assert_string_equal(words, "");
}

static void a_path_may_be_as_long_as_a_socket_address(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = NULL;
	char args[256] = FINE "--control /";
	size_t len = strlen(args);

	memset(args + len, 'x', 106);
	conf = must_load(NULL, args);
	assert_int_equal(strlen(conf->control), 107);
}

static void off_means_no_path(void **state)
{
	_cleanup_(conf_freep)
	struct conf *flags =
		must_load(NULL, "--listen :1 --tls off --app localhost:2 --pin off --control off");
	_cleanup_(conf_freep)
	struct conf *keys = must_load("pin: off\ncontrol: off\n", "--listen :1 --tls "
								  "off --app localhost:2");

	assert_null(flags->pin);
	assert_null(flags->control);
	assert_null(keys->pin);
	assert_null(keys->control);
}

static const struct mistake_case refusals[] = {
	{NULL, FINE "--workers=", "--workers: \"\" is not a whole number from 0 to 64 threads\n"},
	{NULL, FINE "--workers 65",
	 "--workers: \"65\" is not a whole number from 0 to 64 threads\n"},
	{NULL, FINE "--workers -1",
	 "--workers: \"-1\" is not a whole number from 0 to 64 threads\n"},
	{NULL, FINE "--idle-timeout-ms 0",
	 "--idle-timeout-ms: \"0\" is not a whole number from 1 to 86400000 ms\n"},
	{NULL, FINE "--idle-timeout-ms 86400001",
	 "--idle-timeout-ms: \"86400001\" is not a whole number from 1 to 86400000 ms\n"},
	{NULL, FINE "--idle-timeout-ms 18446744073709551617",
	 "--idle-timeout-ms: \"18446744073709551617\" is not a whole "
	 "number from 1 to 86400000 ms\n"},
	{NULL, FINE "--idle-timeout-ms 5s",
	 "--idle-timeout-ms: \"5s\" is not a whole number from 1 to 86400000 ms\n"},
	{NULL, FINE "--connections-max 1048577",
	 "--connections-max: \"1048577\" is not a whole number from 1 to 1048576 connections\n"},
	{NULL, FINE "--head-bytes-max 65537",
	 "--head-bytes-max: \"65537\" is not a whole number from 8192 to 65536 bytes\n"},
	{NULL, FINE "--head-bytes-max 8191",
	 "--head-bytes-max: \"8191\" is not a whole number from 8192 to 65536 bytes\n"},
	{NULL, FINE "--record on", "--record: \"on\" is not one of require, prefer, off\n"},
	{NULL, FINE "--edit Off", "--edit: \"Off\" is not one of require, prefer, off\n"},
	{NULL, FINE "--xff set", "--xff: \"set\" is not one of append, replace, if-none, never\n"},
	{NULL, FINE "--tls-min 1.1", "--tls-min: \"1.1\" is not one of 1.2, 1.3\n"},
	{NULL, FINE "--tls yes", "--tls: \"yes\" is not one of off, on\n"},
	{NULL, FINE "--seccomp on", "--seccomp: \"on\" is not one of off, log, errno, enforce\n"},
	{NULL, FINE "--log-level trace",
	 "--log-level: \"trace\" is not one of error, warn, info, debug\n"},
	{NULL, FINE "--cgroup=", "--cgroup: \"\" names no file\n"},
	{NULL, FINE "--xff-trust 10.0.0.1/8",
	 "--xff-trust: \"10.0.0.1/8\" is not a CIDR: bits are set below the prefix length\n"},
	{NULL, FINE "--app unix:a",
	 "--app: \"unix:a\" is not a unix socket: a unix socket is unix:/PATH or unix:@NAME\n"},
	{NULL, FINE "--guard-mode drv",
	 "--guard-mode: \"drv\" is not one of off, auto, native, generic\n"},
	{NULL, FINE "--guard-interfaces 1234567890123456",
	 "--guard-interfaces: \"1234567890123456\" is longer than 15 bytes\n"},
	{NULL, FINE "--guard-interfaces=", "--guard-interfaces: \"\" is empty\n"},
	{NULL, FINE "--guard-source-prefix-v4 33",
	 "--guard-source-prefix-v4: \"33\" is not a whole number from 0 to 32 bits\n"},
	{NULL, FINE "--guard-source-burst 0",
	 "--guard-source-burst: \"0\" is not a whole number from 1 to 1073741824 connections\n"},
	{NULL,
	 FINE "--control "
	      "/234567890123456789012345678901234567890123456789012345678901234567890123456789"
	      "01234567890123456789012345678",
	 "--control: \"/23456789012345678901234567890123456789012345678901234567890123456...\" is "
	 "longer than 107 bytes\n"},
};

static void every_refusal_says_what_is_allowed(void **state)
{
	check_mistakes(refusals, sizeof(refusals) / sizeof(refusals[0]));
}

static const struct mistake_case texts_of_a_file[] = {
	{"\n\nlisteners:\n- listen: localhost:1\n  tls: off\n  proxy-protocol: maybe\n",
	 "--app localhost:1",
	 "kedge.yaml:6: listeners[0].proxy-protocol: \"maybe\" is not "
	 "one of off, optional, require\n"},
	{"workers:\n", FINE,
	 "kedge.yaml:1: workers: \"\" is not a whole "
	 "number from 0 to 64 threads\n"},
	{"workers: 0x4\n", FINE,
	 "kedge.yaml:1: workers: \"0x4\" is not a whole "
	 "number from 0 to 64 threads\n"},
	{"bypass: true\n", FINE,
	 "kedge.yaml:1: bypass: \"true\" is not one of require, prefer, off\n"},
	{"x-forwarded-proto: yes\n", FINE,
	 "kedge.yaml:1: x-forwarded-proto: \"yes\" is not one of off, on\n"},
	{"trust: [\"::1\",\n 10.0.0.0/33]\n", FINE,
	 "kedge.yaml:2: trust[1]: \"10.0.0.0/33\" is not a CIDR: the prefix length is not a number "
	 "from 0 to 32\n"},
};

static void a_text_of_the_file_is_judged_as_a_flag_is(void **state)
{
	check_mistakes(texts_of_a_file, sizeof(texts_of_a_file) / sizeof(texts_of_a_file[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_option_is_found_by_its_whole_name),
		cmocka_unit_test(a_refused_text_changes_nothing),
		cmocka_unit_test(an_application_is_a_name_or_servers),
		cmocka_unit_test(servers_are_kept_in_their_order),
		cmocka_unit_test(a_path_to_check_is_visible_text),
		cmocka_unit_test(a_host_to_check_is_one),
		cmocka_unit_test(a_status_or_a_range),
		cmocka_unit_test(a_path_set_again_is_freed),
		cmocka_unit_test(pairs_are_made_in_any_order_of_their_parts),
		cmocka_unit_test(words_are_listed),
		cmocka_unit_test(a_path_may_be_as_long_as_a_socket_address),
		cmocka_unit_test(off_means_no_path),
		cmocka_unit_test(every_refusal_says_what_is_allowed),
		cmocka_unit_test(a_text_of_the_file_is_judged_as_a_flag_is),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
