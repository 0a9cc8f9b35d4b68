/* SPDX-License-Identifier: BSD-2-Clause */
/* config_apps.c: entries of apps, lists of servers, and which of them a listener has. */
#include "config/config_apps.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/loading.h"

#define PLAIN "tls: off\nlisteners:\n- listen: localhost:1\n"

static const struct conf_app *app_of(const struct conf *conf, size_t listener)
{
	assert_true(conf->listeners[listener].app < conf->apps_count);
	return &conf->apps[conf->listeners[listener].app];
}

static void one_server_is_an_application(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load("app: localhost:3000\n" PLAIN, "");

	(void)state;
	assert_int_equal(conf->apps_count, 1);
	assert_string_equal(conf->apps[0].name, "127.0.0.1:3000");
	assert_false(conf->apps[0].named);
	assert_int_equal(conf->apps[0].servers.count, 1);
	assert_int_equal(conf->apps[0].check, CHECK_OFF);
	assert_string_equal(conf->apps[0].check_path, "/");
}

static void a_list_of_servers_is_one_too(void **state)
{
	_cleanup_(conf_freep)
	struct conf *file = must_load("app: ['a:1', 'unix:/b', 'localhost:3']\n" PLAIN, "");
	_cleanup_(conf_freep)
	struct conf *flags = must_load("app: localhost:9\n" PLAIN, "--app a:1 --app b:2");

	(void)state;
	assert_int_equal(file->apps_count, 1);
	assert_int_equal(file->apps[0].servers.count, 3);
	assert_string_equal(file->apps[0].servers.set[1].name, "unix:/b");
	assert_int_equal(flags->apps[0].servers.count, 2); /* a list is not mixed */
	assert_string_equal(flags->apps[0].name, "a:1");
}

static void entries_have_names(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(
		"apps:\n"
		"  web: {servers: ['b:2', 'c:3'], backup: 'a:1', check: {path: /up, rise: 4}}\n"
		"  mail: {servers: 'd:4', mode: tcp}\n"
		"check: {rise: 7, fall: 8}\n"
		"app: web\ntls: off\n"
		"listeners:\n- listen: localhost:1\n- {listen: localhost:2, app: mail}\n"
		"- {listen: localhost:3, app: ['e:5', 'f:6']}\n",
		"");
	const struct conf_app *web = app_of(conf, 0), *mail = app_of(conf, 1),
			      *other = app_of(conf, 2);

	(void)state;
	assert_int_equal(conf->apps_count, 3);
	assert_true(web->named && mail->named && !other->named);
	assert_string_equal(web->name, "web");
	assert_string_equal(web->servers.set[0].name, "b:2");
	assert_string_equal(web->servers.set[2].name, "a:1");
	assert_true(web->servers.set[2].backup);
	assert_int_equal(web->check, CHECK_HTTP);
	assert_true(web->check_rise == 4 && web->check_fall == 8);
	assert_int_equal(mail->check, CHECK_TCP);
	assert_int_equal(mail->check_rise, 7);
	assert_int_equal(conf->listeners[1].mode, MODE_TCP);
	assert_int_equal(conf->listeners[0].mode, MODE_HTTP);
	assert_int_equal(other->servers.count, 2);
}

/* `check` itself wins over what its details would mean. */
static void what_a_check_is(void **state)
{
	static const struct {
		const char *flags;
		enum conf_check check;
	} rows[] = {
		{"", CHECK_OFF},
		{"--check tcp", CHECK_TCP},
		{"--check-every-ms 5", CHECK_TCP},
		{"--check-status 204", CHECK_HTTP},
		{"--check-fall 5 --check-path /a", CHECK_HTTP},
		{"--check off --check-path /a", CHECK_OFF},
		{"--check http", CHECK_HTTP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		_cleanup_(conf_freep)
		struct conf *conf = must_load("app: a:1\n" PLAIN, rows[i].flags);

		assert_int_equal(conf->apps[0].check, rows[i].check);
	}
}

static void the_same_list_is_the_same_application(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load("app: localhost:3000\nbackup: 'b:9'\ntls: off\nlisteners:\n"
				      "- listen: localhost:1\n"
				      "- {listen: localhost:2, app: '127.0.0.1:3000'}\n"
				      "- {listen: localhost:3, app: 'c:3'}\n"
				      "- {listen: localhost:4, app: ['c:3']}\n",
				      "");

	(void)state;
	assert_int_equal(conf->apps_count, 2);
	assert_ptr_equal(app_of(conf, 0), app_of(conf, 1));
	assert_ptr_equal(app_of(conf, 2), app_of(conf, 3));
	assert_int_equal(conf->apps[0].servers.count, 2);
}

static const struct mistake_case mistakes[] = {
	{"app: web\n" PLAIN, "",
	 "kedge.yaml:1: app: \"web\" is not in apps, and a server has a port: ADDR:PORT\n"},
	{"app: 3000\n" PLAIN, "",
	 "kedge.yaml:1: app: \"3000\" is a port alone: write 127.0.0.1:3000\n"},
	{"app: 300000\n" PLAIN, "",
	 "kedge.yaml:1: app: \"300000\" is not in apps, and a server has a port: ADDR:PORT\n"},
	{"apps: {web: {servers: 'a:1'}}\napp: wep\n" PLAIN, "",
	 "kedge.yaml:2: app: \"wep\" is not in apps; did you mean web?\n"},
	{"apps: {web: {servers: 'a:1'}}\napp: [web, 'b:2']\n" PLAIN, "",
	 "kedge.yaml:2: app[0]: either the name of one application, or a list of "
	 "servers with ports\n"},
	{"app: []\n" PLAIN, "", "kedge.yaml:1: app: an empty list: name a server\n"},
	{"apps: {web: {}}\napp: web\n" PLAIN, "",
	 "kedge.yaml:1: apps.web: has no server: name at least one that is no backup\n"},
	{"apps: {web: {backup: 'a:1'}}\napp: web\n" PLAIN, "",
	 "kedge.yaml:1: apps.web: has no server: name at least one that is no backup\n"},
	{"apps: {web: {servers: ['a:1', 'localhost:2', '127.0.0.1:2']}}\napp: web\n" PLAIN, "",
	 "kedge.yaml:1: apps.web: has the server \"127.0.0.1:2\" twice\n"},
	{"app: 'a:1'\nbackup: 'a:1'\n" PLAIN, "",
	 "kedge.yaml:1: app: has the server \"a:1\" twice\n"},
	{"apps: {web: {servers: 'a:1', mode: tcp}}\ntls: off\nlisteners:\n"
	 "- {listen: localhost:1, app: web, mode: http}\n",
	 "",
	 "kedge.yaml:4: listeners[0].mode: the application web has another mode: "
	 "say it there only\n"},
	{"tls: off\nlisteners:\n- {listen: localhost:1, app: 'a:1'}\n- {listen: localhost:2}\n", "",
	 "kedge.yaml:4: listeners[1]: no application: give --app ADDR:PORT, or app in the file\n"},
	{"tls: off\nlisteners:\n- {listen: localhost:1, app: ['a:1', 'b:2']}\n"
	 "- {listen: localhost:2, app: 'a:1'}\n",
	 "",
	 "kedge.yaml:4: listeners[1].app: begins with the same server as another list: give both "
	 "applications a name in apps\n"},
};

static void what_does_not_go_together(void **state)
{
	(void)state;
	check_mistakes(mistakes, sizeof(mistakes) / sizeof(*mistakes));
}

static void too_many_servers(void **state)
{
	char text[4096] = "app: [";
	char want[128];
	size_t len = strlen(text);
	struct mistake_case one = {text, "", want};

	(void)state;
	for (unsigned i = 0; i <= CONFIG_SERVERS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "'a:%u', ", i + 1);
	snprintf(text + len, sizeof(text) - len, "]\n" PLAIN);
	snprintf(want, sizeof(want), "kedge.yaml:1: app[0]: has 65 servers; at most 64\n");
	check_mistakes(&one, 1);
}

static void an_unused_one_is_warned_of(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = load_yaml("apps: {web: {servers: 'a:1'}}\napp: 'b:2'\n" PLAIN, "");

	(void)state;
	assert_int_equal(l.status, 0);
	assert_non_null(strstr(l.err, "kedge.yaml:1: apps.web: not used: no listener names it\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_server_is_an_application),
		cmocka_unit_test(a_list_of_servers_is_one_too),
		cmocka_unit_test(entries_have_names),
		cmocka_unit_test(what_a_check_is),
		cmocka_unit_test(the_same_list_is_the_same_application),
		cmocka_unit_test(what_does_not_go_together),
		cmocka_unit_test(too_many_servers),
		cmocka_unit_test(an_unused_one_is_warned_of),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
