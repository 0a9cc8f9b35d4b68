/* SPDX-License-Identifier: BSD-2-Clause */
/* config_unix.c: what does not go together with unix sockets, in flags and files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "config/config_unix.h"
#include "tests/lib/loading.h"

#define APP  "--listen :1 --tls off --app unix:/run/app.sock "
#define HERE "--app localhost:2 --tls off --listen unix:/run/kedge.sock "

static void addresses_may_be_unix_sockets(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load("app: unix:/run/app.sock\n"
				      "tls: off\n"
				      "listeners:\n"
				      "- {listen: 'unix:/run/a b.sock', socket-mode: 0666}\n"
				      "- listen: unix:@kedge\n"
				      "- listen: localhost:1\n"
				      "- {listen: 'unix:/run/c', socket-mode: 060}\n",
				      "");

	(void)state;
	assert_string_equal(conf->apps[0].name, "unix:/run/app.sock");
	assert_string_equal(conf->listeners[0].name, "unix:/run/a b.sock");
	assert_int_equal(conf->listeners[0].socket_mode, 0666);
	assert_string_equal(conf->listeners[1].name, "unix:@kedge");
	assert_int_equal(conf->listeners[1].socket_mode, 0660);
	assert_int_equal(conf->listeners[3].socket_mode, 060); /* the zero is one of the three */
	assert_false(conf->listeners[0].both_families);
}

#define NOT_SEEN                                                                        \
	"required, but BPF does not see a unix socket, and app is unix:/run/app.sock: " \
	"set prefer or off, or let the application listen at ADDR:PORT\n"

static void what_cannot_be_had_is_refused(void **state)
{
	static const struct mistake_case cases[] = {
		{NULL, APP "--edit require", "--edit: " NOT_SEEN},
		{NULL, APP "--bypass require", "--bypass: " NOT_SEEN},
		{NULL, APP "--peername require", "--peername: " NOT_SEEN},
		{NULL, APP "--mode tcp --peername require", "--peername: " NOT_SEEN},
		{"app: unix:/run/app.sock\ntls: off\nedit: require\nlisteners: [{listen: ':1'}]\n",
		 "", "kedge.yaml:3: edit: " NOT_SEEN},
		{NULL, HERE "--tls on --cert a --key b --record require",
		 "--record: required, but the kernel has TLS for TCP only, and listener "
		 "unix:/run/kedge.sock has TLS: set record to prefer or off, or tls off there\n"},
		{NULL, HERE "--proxy-protocol require --trust 10.0.0.0/8",
		 "--trust: peers on a unix socket have no addresses: take trust away here "
		 "(socket-mode says who may connect)\n"},
		{NULL, HERE "--listen unix:/run/kedge.sock",
		 "--listen unix:/run/kedge.sock: the same address as --listen "
		 "unix:/run/kedge.sock: unix:/run/kedge.sock\n"},
		{NULL, HERE "--socket-mode 888",
		 "--socket-mode: \"888\" is not a mode of three octal digits, such as 0660\n"},
		{NULL, HERE "--socket-mode 01777",
		 "--socket-mode: \"01777\" is not a mode of three octal digits, such as 0660\n"},
		{NULL, HERE "--metrics unix:/run/m.sock",
		 "--metrics: \"unix:/run/m.sock\" is not ADDR:PORT: a unix socket "
		 "cannot be used here\n"},
		{NULL, HERE "--app unix:app.sock",
		 "--app: \"unix:app.sock\" is not a unix socket: a unix socket is "
		 "unix:/PATH or unix:@NAME\n"},
	};

	(void)state;
	check_mistakes(cases, sizeof(cases) / sizeof(cases[0]));
}

static void what_need_not_be_had_is_not(void **state)
{
	static const char *const fine[] = {
		APP "--edit prefer --bypass prefer --peername prefer",
		APP "--mode tcp --edit require",
		HERE "--edit require --record require",
		HERE "--tls on --cert a --key b --record prefer",
		HERE "--proxy-protocol require",
		HERE "--guard-mode auto --proxy-protocol require",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		config_free(must_load(NULL, fine[i]));
}

/* A list for all listeners does not shut a unix socket's peers out. */
static void a_common_list_is_for_those_with_addresses(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load("app: localhost:3\n"
				      "tls: off\n"
				      "proxy-protocol: require\n"
				      "trust: [10.0.0.0/8]\n"
				      "listeners: [{listen: 'unix:/run/a'}, {listen: ':2'}]\n",
				      "");

	(void)state;
	assert_int_equal(conf->listeners[0].trust.count, 0);
	assert_int_equal(conf->listeners[1].trust.count, 1);
}

static void who_may_name_any_client_is_warned_of(void **state)
{
	static const struct mistake_case cases[] = {
		{NULL, HERE "--socket-mode 666 --proxy-protocol require",
		 "kedge: warning: --listen unix:/run/kedge.sock: proxy-protocol with socket-mode "
		 "0666: every user of this host may connect, and name any client address\n"},
		{NULL, "--app localhost:2 --listen unix:@kedge --tls off --proxy-protocol optional",
		 "kedge: warning: --listen unix:@kedge: proxy-protocol on an abstract socket: "
		 "every user of this host may connect, and name any client address\n"},
		{NULL, FINE "--socket-mode 600",
		 "kedge: warning: --socket-mode: not used: this listener has no socket file\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(loaded_free)
		struct loaded l = load(cases[i].args);

		assert_string_equal(l.err, cases[i].said);
		assert_int_equal(l.status, 0);
	}
}

/* As after a reload, which keeps policies. */
static void a_loaded_configuration_can_be_asked_again(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(NULL, APP);
	char why[WHY_MAX] = "";

	(void)state;
	assert_null(config_unix_conflict(conf, why));
	conf->edit = POLICY_REQUIRE;
	assert_string_equal(config_unix_conflict(conf, why), "edit");
	assert_non_null(strstr(why, "unix:/run/app.sock"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_may_be_unix_sockets),
		cmocka_unit_test(what_cannot_be_had_is_refused),
		cmocka_unit_test(what_need_not_be_had_is_not),
		cmocka_unit_test(a_common_list_is_for_those_with_addresses),
		cmocka_unit_test(who_may_name_any_client_is_warned_of),
		cmocka_unit_test(a_loaded_configuration_can_be_asked_again),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
