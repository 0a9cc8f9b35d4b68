/* SPDX-License-Identifier: BSD-2-Clause */
/* config_build.c: precedence, inheritance, cross-checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "tests/lib/loading.h"

static bool usual_file; /* there is one */

static int test_access(const char *path, int mode)
{
	assert_string_equal(path, "/etc/kedge/kedge.yaml");
	assert_int_equal(mode, F_OK);
	return usual_file ? 0 : -1;
}

#define access test_access
#include "config/config_build.c"
#undef access

static void the_usual_file_is_named_and_not_read(void **state)
{
	static const struct mistake_case there[] = {
		{NULL, "--app localhost:1",
		 "no listener: give --listen ADDR:PORT, or -c /etc/kedge/kedge.yaml\n"},
		{"app: localhost:1\n", "",
		 "kedge.yaml: no listener: give --listen ADDR:PORT, or listeners in the file\n"},
	};

	(void)state;
	usual_file = true;
	check_mistakes(there, sizeof(there) / sizeof(there[0]));
	usual_file = false;
}

static void assert_cidr(const struct conf_cidrs *set, size_t at, const char *text)
{
	const char *why = NULL;
	struct cidr want;

	assert_int_equal(cidr_parse(&want, text, &why), 0);
	assert_true(at < set->count);
	assert_memory_equal(set->set[at].ip, want.ip, sizeof(want.ip));
	assert_int_equal(set->set[at].bits, want.bits);
}

static void listeners_take_what_they_do_not_say_from_the_top_level(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(
		"listeners:\n"
		"- listen: :1\n"
		"- {listen: localhost:2, tls: on, proxy-protocol: require, trust: [10.0.0.1],"
		" certs: [{key: k2, cert: c2}]}\n"
		"app: localhost:3\n"
		"tls: off\n"
		"proxy-protocol: optional\n"
		"trust: [10.0.0.0/8, 11.0.0.0/8]\n"
		"certs: [{cert: c, key: k}, {cert: d, key: l}]\n",
		"");
	const struct conf_listener *l = conf->listeners;

	assert_false(l[0].tls);
	assert_int_equal(l[0].proxy, PROXY_PREFIX_OPTIONAL);
	assert_int_equal(l[0].trust.count, 2);
	assert_true(l[1].tls);
	assert_int_equal(l[1].proxy, PROXY_PREFIX_REQUIRE);
	assert_int_equal(l[1].trust.count, 1);
	assert_cidr(&l[1].trust, 0, "10.0.0.1");
	assert_int_equal(l[1].certs_count, 1);
	assert_string_equal(l[1].certs[0].cert, "c2");
	assert_string_equal(l[1].certs[0].key, "k2");
}

static void flags_win_over_the_file(void **state)
{
	static const char yaml[] = "app: localhost:3\n"
				   "workers: 2\n"
				   "xff-trust: [10.0.0.0/8, 11.0.0.0/8]\n"
				   "proxy-protocol: require\n"
				   "trust: [10.0.0.1]\n"
				   "certs: [{cert: c, key: k}]\n"
				   "listeners:\n"
				   "- listen: :1\n"
				   "- {listen: localhost:2, trust: [10.0.0.2]}\n";
	_cleanup_(conf_freep)
	struct conf *conf =
		must_load(yaml, "--workers 5 --workers 4 --xff-trust 12.0.0.0/8 --trust 10.0.0.3 "
				"--cert fc --key fk");

	assert_int_equal(conf->workers, 4);
	assert_string_equal(conf->apps[0].name, "127.0.0.1:3");
	assert_int_equal(conf->xff_trust.count, 1);
	assert_cidr(&conf->xff_trust, 0, "12.0.0.0/8");
	assert_int_equal(conf->listeners_count, 2);
	assert_int_equal(conf->listeners[0].trust.count, 1);
	assert_cidr(&conf->listeners[0].trust, 0, "10.0.0.3");
	assert_cidr(&conf->listeners[1].trust, 0, "10.0.0.2");
	assert_string_equal(conf->listeners[0].certs[0].cert, "fc");
}

static void a_listen_flag_leaves_out_the_listeners_of_the_file(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load("app: localhost:3\n"
				      "proxy-protocol: optional\n"
				      "trust: [10.0.0.1]\n"
				      "listeners: [{listen: localhost:1}, {listen: localhost:2}]\n",
				      "--listen :9 --tls off");

	assert_int_equal(conf->listeners_count, 1);
	assert_string_equal(conf->listeners[0].name, "[::]:9");
	assert_int_equal(conf->listeners[0].proxy, PROXY_PREFIX_OPTIONAL);
	assert_int_equal(conf->listeners[0].trust.count, 1);
}

static void certificates_before_a_listener_are_for_those_without_their_own(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(
		NULL, "--cert a --key b --listen :1 --listen :2 --cert c --key d --listen :3 "
		      "--key f --cert e --app localhost:4");
	const struct conf_listener *l = conf->listeners;

	for (int i = 0; i < 3; i++)
		assert_int_equal(l[i].certs_count, 1);
	assert_string_equal(l[0].certs[0].cert, "a");
	assert_string_equal(l[0].certs[0].key, "b");
	assert_string_equal(l[1].certs[0].cert, "c");
	assert_string_equal(l[1].certs[0].key, "d");
	assert_string_equal(l[2].certs[0].cert, "e");
	assert_string_equal(l[2].certs[0].key, "f");
}

static void self_signed_before_a_listener_gives_way_to_what_it_says(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(NULL, "--self-signed --listen :1 "
					    "--listen :2 --cert a --key b --listen :3 --tls off "
					    "--app localhost:7");
	const struct conf_listener *l = conf->listeners;

	assert_true(l[0].self_signed && !l[0].certs_count);
	assert_true(!l[1].self_signed && l[1].certs_count == 1);
	assert_false(l[2].self_signed || l[2].tls);
}

static void an_application_beside_the_listener_is_another_one(void **state)
{
	static const char *const fine[] = {
		"--listen :80 --app localhost:81",
		"--listen :80 --app 192.0.2.1:80",
		"--listen 127.0.0.1:80 --app 127.0.0.2:80",
		"--listen [::]:80 --app 127.0.0.1:80",
		"--listen 0.0.0.0:80 --app [::1]:80",
		"--listen localhost:80 --app localhost.test:80",
		"--listen localhost:0 --app localhost:1",
		"--listen unix:/run/a --app unix:/run/b",
		"--listen unix:@a --app unix:/run/a",
		"--listen localhost:80 --proxy-protocol require --trust 10.0.0.1 --app 10.0.0.1:80",
	};

	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		_cleanup_(conf_freep)
		struct conf *conf = NULL;
		char flags[200];

		snprintf(flags, sizeof(flags), "--tls off %s", fine[i]);
		conf = must_load(NULL, flags);
		assert_int_equal(conf->listeners_count, 1);
	}
}

static void port_0_may_be_listened_on_more_than_once(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(NULL, "--tls off --listen localhost:0 --listen localhost:0 "
					    "--app localhost:1");

	assert_int_equal(conf->listeners_count, 2);
}

static const struct mistake_case flag_mistakes[] = {
	{NULL, "--tls off --listen :8080 --app localhost:8080",
	 "--listen :8080: the application 127.0.0.1:8080 is this listener itself: give the "
	 "address where the application listens\n"},
	{NULL, "--tls off --listen 0.0.0.0:80 --listen [::1]:80 --app 192.0.2.1:80 --app [::1]:80",
	 "--listen [::1]:80: the application [::1]:80 is this listener itself: give the address "
	 "where the application listens\n"},
	{NULL, "--tls off --listen unix:/run/a --app unix:/run/a",
	 "--listen unix:/run/a: the application unix:/run/a is this listener itself: give the "
	 "address where the application listens\n"},
	{NULL, "",
	 "no listener: give --listen ADDR:PORT, or listeners in the file\n"
	 "no application: give --app ADDR:PORT, or app in the file\n"},
	{NULL, "--listen :1 --tls off",
	 "no application: give --app ADDR:PORT, or app in the file\n"},
	{NULL, FINE "--user no-such-user", "--user: there is no user \"no-such-user\"\n"},
	{NULL, FINE "--app :80",
	 "--app: \":80\" is not one address: name the host, such as 127.0.0.1\n"},
	{NULL, FINE "--app 0.0.0.0:80",
	 "--app: \"0.0.0.0:80\" is not one address: name the host, such as 127.0.0.1\n"},
	{NULL, FINE "--app localhost:0", "--app: \"localhost:0\" has no port\n"},
	{NULL, FINE "--app app.internal:0", "--app: \"app.internal:0\" has no port\n"},
	{NULL, FINE "--listen :1",
	 "--listen :1: the same address as --listen :1: [::]:1\n"
	 "--listen :1: TLS without a certificate: give cert and key, "
	 "or self-signed for a trial, or tls off\n"},
	{NULL, FINE "--tls on --cert a --key b --cert c",
	 "--listen :1: the certificate \"c\" has no key\n"},
	{NULL, "--cert a --key b --listen :1 --cert c --app localhost:2",
	 "--listen :1: the certificate \"c\" has no key\n"},
	{NULL, FINE "--tls on --key b", "--listen :1: the key \"b\" has no certificate\n"},
	{NULL, FINE "--self-signed on",
	 "--self-signed: a certificate is part of TLS, and tls is off at this listener\n"},
	{NULL, FINE "--tls on --cert a --key b --self-signed",
	 "--self-signed: self-signed is on, and there is a certificate: remove one of them\n"},
	{NULL, "--cert a --key b --app localhost:2 --listen :1 --self-signed",
	 "--self-signed: self-signed is on, and there is a certificate: remove one of them\n"},
	{NULL, FINE "--app http://127.0.0.1:3000",
	 "--app: \"http://127.0.0.1:3000\" is a URL: give address and port alone, "
	 "such as 127.0.0.1:3000\n"},
	{NULL, FINE "--app https://app.internal",
	 "--app: \"https://app.internal\" is a URL: kedge speaks plain HTTP to the application; "
	 "give the address and port of that alone, such as 127.0.0.1:3000\n"},
	{NULL, FINE "--strict-sni on",
	 "--strict-sni: SNI is part of a TLS handshake, and tls is off at this listener\n"},
	{NULL, FINE "--trust 10.0.0.0/8",
	 "--trust: nothing to trust: proxy-protocol is off at this "
	 "listener (trust does not restrict "
	 "who may connect)\n"},
};

static void flags_that_do_not_go_together(void **state)
{
	check_mistakes(flag_mistakes, sizeof(flag_mistakes) / sizeof(flag_mistakes[0]));
}

static const struct mistake_case key_mistakes[] = {
	{"user: ${KT_USER}\n", FINE,
	 "kedge.yaml:1: user: the value of \"${KT_USER}\" is no user\n"},
	/* No warning that trust is missing: it is misspelt. */
	{"app: localhost:7\nlisteners:\n"
	 "- {listen: ':1', tls: off, proxy-protocol: require, turst: [10.0.0.0/8]}\n",
	 "", "kedge.yaml:3: listeners[0].turst: unknown key; did you mean trust?\n"},
	{"guard-mode: auto\nguard-interfaces: []\n", FINE,
	 "kedge.yaml:2: guard-interfaces: no interface to guard: name one, or all-listeners\n"},
	{"app: localhost:7\nlisteners:\n- listen: localhost:1\n  tls: off\n- tls: off\n", "",
	 "kedge.yaml:5: listeners[1]: listen is missing: ADDR:PORT\n"},
	{"app: localhost:7\nlisteners:\n- listen: localhost:1\n- "
	 "{listen: localhost:2, certs: []}\n",
	 "",
	 "kedge.yaml:3: listeners[0]: TLS without a certificate: give cert and key, "
	 "or self-signed for a trial, or tls off\n"
	 "kedge.yaml:4: listeners[1]: TLS without a certificate: give cert and key, "
	 "or self-signed for a trial, or tls off\n"},
	{"app: localhost:7\ncerts:\n- cert: a\n- key: b\nlisteners:\n- listen: localhost:1\n", "",
	 "kedge.yaml:6: listeners[0]: the certificate \"a\" has no key\n"
	 "kedge.yaml:6: listeners[0]: the key \"b\" has no certificate\n"},
	{"app: localhost:7\ntls: off\nlisteners:\n- listen: 127.0.0.1:1\n- listen: :1\n"
	 "- listen: localhost:1\n",
	 "", "kedge.yaml:6: listeners[2]: the same address as listeners[0]: 127.0.0.1:1\n"},
	{"app: localhost:7\ntls: off\nlisteners:\n- listen: localhost:1\n  trust: [10.0.0.0/8]\n",
	 "",
	 "kedge.yaml:5: listeners[0].trust[0]: nothing to trust: proxy-protocol is off at this "
	 "listener (trust does not restrict who may connect)\n"},
	{"app: ':5'\n", "--tls off --listen :1",
	 "kedge.yaml:1: app: \":5\" is not one address: name "
	 "the host, such as 127.0.0.1\n"},
	{"", "",
	 "kedge.yaml: no listener: give --listen ADDR:PORT, or listeners in the file\n"
	 "kedge.yaml: no application: give --app ADDR:PORT, or app in the file\n"},
	/* A bad value is not reported as missing, too. */
	{"app: localhost:7\nlisteners:\n- listen: :1\n  certs: [{cert: '', key: k}]\n", "",
	 "kedge.yaml:4: listeners[0].certs[0].cert: \"\" names no file\n"},
};

static void keys_that_do_not_go_together(void **state)
{
	check_mistakes(key_mistakes, sizeof(key_mistakes) / sizeof(key_mistakes[0]));
}

static void warnings_do_not_stop_anything(void **state)
{
	static const struct mistake_case cases[] = {
		{NULL, FINE "--xff if-none",
		 "kedge: warning: --xff: if-none without xff-trust: any client may name any client "
		 "address in X-Forwarded-For: give xff-trust, the proxies in front\n"},
		{"app: localhost:7\ntls: off\nlisteners: "
		 "[{listen: \"localhost:1\"}]\nxff: if-none\n",
		 "",
		 "kedge: warning: kedge.yaml:4: xff: if-none without "
		 "xff-trust: any client may name "
		 "any client address in X-Forwarded-For: give xff-trust, the proxies in front\n"},
		{NULL, FINE "--xff if-none --xff-trust 10.0.0.0/8", ""},
		{NULL, FINE "--xff if-none --mode tcp", ""},
		{NULL, FINE "--splice on", ""},
		{NULL, FINE "--splice on --mode tcp",
		 "kedge: warning: --listen :1: splice has no effect with mode tcp\n"},
		{NULL, FINE "--splice on --bypass prefer",
		 "kedge: warning: --listen :1: splice has no effect with bypass: "
		 "give one of the two\n"},
		{NULL, FINE "--proxy-protocol optional",
		 "kedge: warning: --listen :1: proxy-protocol without trust: "
		 "whoever connects may name "
		 "any client address\n"},
		{"app: localhost:7\ntrust: [10.0.0.0/8]\ntls: off\nlisteners:\n"
		 "- listen: :1\n- {listen: localhost:2, proxy-protocol: require, trust: []}\n",
		 "",
		 "kedge: warning: kedge.yaml:6: listeners[1]: "
		 "proxy-protocol without trust: whoever "
		 "connects may name any client address\n"},
		{"app: localhost:7\ntrust: [10.0.0.0/8]\ntls: "
		 "off\nlisteners: [{listen: localhost:1}]\n",
		 "",
		 "kedge: warning: kedge.yaml:2: trust[0]: nothing to trust: "
		 "proxy-protocol is off at "
		 "every listener\n"},
		{"trust: [\"::1\"]\napp: "
		 "localhost:7\ntls: off\nproxy-protocol: require\nlisteners:\n"
		 "- {listen: localhost:1, certs: [{cert: a, key: b}]}\n",
		 "",
		 "kedge: warning: kedge.yaml:6: listeners[0].certs[0].cert: "
		 "not used: tls is off at "
		 "this listener\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(loaded_free)
		struct loaded l = cases[i].yaml ? load_yaml(cases[i].yaml, cases[i].args)
						: load(cases[i].args);

		assert_string_equal(l.err, cases[i].said);
		assert_int_equal(l.status, 0);
	}
}

/* Inherited ones, too: files that are not used need not be readable. */
static void a_listener_without_tls_has_no_certificates(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load("app: localhost:3\n"
				      "certs: [{cert: c, key: k}]\n"
				      "listeners: [{listen: ':1', tls: off}, {listen: ':2'}]\n",
				      "");

	assert_int_equal(conf->listeners[0].certs_count, 0);
	assert_null(conf->listeners[0].certs);
	assert_int_equal(conf->listeners[1].certs_count, 1);
}

/* Cores that this process may use; negative: sched_getaffinity() fails. */
static int cores;

/* Replaces the C library's. */
int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	CPU_ZERO_S(size, set);
	for (int i = 0; i < cores; i++)
		CPU_SET_S((size_t)i, size, set);
	return cores < 0 ? -1 : 0;
}

static void workers_are_as_many_as_cores_within_bounds(void **state)
{
	static const struct {
		int cores;
		unsigned workers;
	} cases[] = {{1, 1}, {3, 3}, {64, 64}, {65, 64}, {1000, 64}, {-1, 1}, {0, 1}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(conf_freep)
		struct conf *conf = NULL;

		cores = cases[i].cores;
		conf = must_load(NULL, FINE);
		assert_int_equal(conf->workers, cases[i].workers);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_usual_file_is_named_and_not_read),
		cmocka_unit_test(listeners_take_what_they_do_not_say_from_the_top_level),
		cmocka_unit_test(flags_win_over_the_file),
		cmocka_unit_test(a_listen_flag_leaves_out_the_listeners_of_the_file),
		cmocka_unit_test(certificates_before_a_listener_are_for_those_without_their_own),
		cmocka_unit_test(self_signed_before_a_listener_gives_way_to_what_it_says),
		cmocka_unit_test(port_0_may_be_listened_on_more_than_once),
		cmocka_unit_test(an_application_beside_the_listener_is_another_one),
		cmocka_unit_test(flags_that_do_not_go_together),
		cmocka_unit_test(keys_that_do_not_go_together),
		cmocka_unit_test(warnings_do_not_stop_anything),
		cmocka_unit_test(a_listener_without_tls_has_no_certificates),
		cmocka_unit_test(workers_are_as_many_as_cores_within_bounds),
	};

	setenv("KT_USER", "no-such-user", 1);
	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
