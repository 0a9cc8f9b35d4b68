/* SPDX-License-Identifier: BSD-2-Clause */
/* config_routes.c: the routes of a listener, and what is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/lib/loading.h"

#define HEAD                                              \
	"apps:\n"                                         \
	"  web: {servers: ['127.0.0.1:7'], mode: http}\n" \
	"  grpc: {servers: ['127.0.0.1:2'], mode: tcp}\n" \
	"  plain: {servers: ['127.0.0.1:3']}\n"           \
	"app: web\n"                                      \
	"listeners:\n"                                    \
	"- listen: ':1'\n"                                \
	"  certs: [{cert: c, key: k}]\n"                  \
	"  routes:\n"

static void all_of_a_route(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf =
		must_load(HEAD "  - names: [Grpc.Example., '*.RPC.example']\n"
			       "    app: grpc\n"
			       "    alpn: [h2]\n"
			       "    certs: [{cert: d, key: l}, {cert: e, key: m, ocsp: o}]\n"
			       "  - {names: [a.example], app: plain}\n"
			       "  - {names: [b.example], app: ['127.0.0.1:4', '127.0.0.1:5']}\n"
			       "- {listen: ':2', certs: [{cert: f, key: n}], alpn: [http/1.1]}\n",
			  "");
	const struct conf_listener *l = &conf->listeners[0];
	const struct conf_route *r = l->routes;

	(void)state;
	assert_int_equal(l->app, 0);
	assert_int_equal(l->certs_count, 1);
	assert_int_equal(l->alpn.count, 0);
	assert_int_equal(l->routes_count, 3);
	assert_int_equal(r[0].names.count, 2);
	assert_string_equal(r[0].names.set[0], "grpc.example");
	assert_string_equal(r[0].names.set[1], "*.rpc.example");
	assert_int_equal(r[0].app, 1);
	assert_int_equal(r[0].mode, MODE_TCP);
	assert_string_equal(r[0].alpn.set[0], "h2");
	assert_int_equal(r[0].certs_count, 2);
	assert_string_equal(r[0].certs[0].cert, "d");
	assert_string_equal(r[0].certs[1].key, "m");
	assert_string_equal(r[0].certs[1].ocsp, "o");
	assert_int_equal(r[1].app, 2);
	assert_int_equal(r[1].mode, MODE_HTTP); /* of the listener, which has it from web */
	assert_int_equal(r[1].alpn.count + r[1].certs_count, 0);
	assert_int_equal(r[2].app, 3);
	assert_int_equal(conf->apps[3].servers.count, 2);
	assert_int_equal(conf->listeners[1].routes_count, 0);
	assert_string_equal(conf->listeners[1].alpn.set[0], "http/1.1");
}

#define ROUTE(text) HEAD "  - {" text "}\n", ""
#define AT          "kedge.yaml:10: listeners[0].routes[0]"
#define NO_HOST                                                                                 \
	"is not the name of a host, as clients ask for it by SNI: letters, digits, \"-\", and " \
	"no address\n"

static void mistakes_in_a_route(void **state)
{
	static const struct mistake_case cases[] = {
		{ROUTE("names: [a.test], app: wep"),
		 AT ".app: \"wep\" is not in apps; did you mean web?\n"},
		{ROUTE("names: [a.test]"),
		 AT ": app is missing: the name of an application, or its servers\n"},
		{ROUTE("app: plain"),
		 AT ": names is missing, or empty: the names that clients ask for\n"},
		{ROUTE("names: [], app: plain"),
		 AT ": names is missing, or empty: the names that clients ask for\n"},
		{ROUTE("names: a.test, app: plain"), AT ".names: must be a list, not one value\n"},
		{ROUTE("names: ['*'], app: plain"),
		 AT ".names[0]: \"*\" is not a name: clients without a route get the listener's "
		    "own app\n"},
		{ROUTE("names: [a.test, 'b.*.test'], app: plain"),
		 AT ".names[1]: \"b.*.test\" has a * elsewhere than in a whole first label\n"},
		{ROUTE("names: ['*a.test'], app: plain"),
		 AT ".names[0]: \"*a.test\" has a * elsewhere than in a whole first label\n"},
		{ROUTE("names: ['*.*.test'], app: plain"),
		 AT ".names[0]: \"*.*.test\" has a * elsewhere than in a whole first label\n"},
		{ROUTE("names: [192.0.2.1], app: plain"), AT ".names[0]: \"192.0.2.1\" " NO_HOST},
		{ROUTE("names: ['2001:db8::1'], app: plain"),
		 AT ".names[0]: \"2001:db8::1\" " NO_HOST},
		{ROUTE("names: [a..test], app: plain"), AT ".names[0]: \"a..test\" " NO_HOST},
		{ROUTE("names: ['a test'], app: plain"), AT ".names[0]: \"a test\" " NO_HOST},
		{ROUTE("names: ['*.'], app: plain"),
		 AT ".names[0]: \"*\" is not a name: clients without a route get the listener's "
		    "own app\n"},
		{ROUTE("names: ['.'], app: plain"), AT ".names[0]: \".\" " NO_HOST},
		{ROUTE("names: [''], app: plain"), AT ".names[0]: \"\" is empty\n"},
		{ROUTE("names: [a.test, A.Test.], app: plain"),
		 AT ".names[1]: \"a.test\" is listed twice\n"},
		{ROUTE("names: [a.test], app: plain, alpn: [h2]"),
		 AT ".alpn[0]: \"h2\" cannot be offered in mode http, which reads HTTP/1.1 only: "
		    "leave it out, or give mode tcp\n"},
		{ROUTE("names: [a.test], app: grpc, alpn: [h2, h2]"),
		 AT ".alpn[1]: \"h2\" is listed twice\n"},
		{ROUTE("names: [a.test], app: grpc, certs: [{cert: d}]"),
		 AT ": the certificate \"d\" has no key\n"},
		{ROUTE("names: [a.test], app: grpc, certs: [{}]"),
		 AT ".certs[0]: has neither cert nor key\n"},
		{ROUTE("names: [a.test], app: grpc, mode: tcp"),
		 AT ".mode: unknown key here; it belongs at the top level\n"},
		{ROUTE("names: [a.test], ap: grpc"),
		 AT ".ap: unknown key; did you mean app?\n" AT
		    ": app is missing: the name of an application, or its servers\n"},
		{HEAD "  - x\n", "", AT ": must be keys with values, not one value\n"},
	};

	(void)state;
	check_mistakes(cases, sizeof(cases) / sizeof(*cases));
}

static void mistakes_between_routes(void **state)
{
	static const struct mistake_case cases[] = {
		{HEAD
		 "  - {names: [a.test], app: plain}\n  - {names: [b.test, A.test], app: grpc}\n",
		 "",
		 "kedge.yaml:11: listeners[0].routes[1].names[1]: \"a.test\" is in routes[0], too, "
		 "with the same alpn\n"},
		{HEAD "  - {names: ['*.a.test'], app: grpc, alpn: [h2, imap]}\n"
		      "  - {names: ['*.a.test'], app: grpc, alpn: [imap, h2]}\n",
		 "",
		 "kedge.yaml:11: listeners[0].routes[1].names[0]: \"*.a.test\" is in routes[0], "
		 "too, with the same alpn\n"},
		{"app: localhost:7\nlisteners:\n- listen: ':1'\n  tls: off\n  routes:\n"
		 "  - {names: [a.test], app: 'localhost:2'}\n",
		 "",
		 "kedge.yaml:6: listeners[0].routes[0]: a route is chosen in the TLS handshake, "
		 "and tls is off at this listener\n"},
		{"app: localhost:7\nroutes: []\n", FINE,
		 "kedge.yaml:2: routes: unknown key here; it belongs in an entry of listeners\n"},
		{"app: localhost:7\nnames: [a]\n", FINE,
		 "kedge.yaml:2: names: unknown key here; it belongs in an entry of routes\n"},
		{NULL, FINE "--names a", "--names: unknown option: see --help\n"},
	};

	(void)state;
	check_mistakes(cases, sizeof(cases) / sizeof(*cases));
}

static void one_name_for_several_protocols(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(HEAD "  - {names: [a.test], app: grpc, alpn: [h2]}\n"
					   "  - {names: [a.test], app: grpc, alpn: [imap, h2]}\n"
					   "  - {names: [a.test, '*.a.test'], app: plain}\n",
				      "");

	(void)state;
	assert_int_equal(conf->listeners[0].routes_count, 3);
}

static void the_same_name_at_two_listeners(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(HEAD "  - {names: [a.test], app: grpc}\n- listen: ':2'\n"
					   "  certs: [{cert: c, key: k}]\n"
					   "  routes: [{names: [a.test], app: plain}]\n",
				      "");

	(void)state;
	assert_int_equal(conf->listeners[0].routes[0].app, 1);
	assert_int_equal(conf->listeners[1].routes[0].app, 2);
}

/* An application that only a route names is used. */
static void too_many(void **state)
{
	char *yaml = calloc(1, 40000);

	(void)state;
	strcpy(yaml, HEAD);
	for (int i = 0; i <= CONFIG_ROUTES_MAX; i++)
		sprintf(yaml + strlen(yaml), "  - {names: [n%d.test], app: plain}\n", i);
	check_mistakes(&(struct mistake_case){yaml, "",
					      "kedge.yaml:266: listeners[0].routes[256]: more than "
					      "256 entries\n"},
		       1);
	free(yaml);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_a_route),
		cmocka_unit_test(mistakes_in_a_route),
		cmocka_unit_test(mistakes_between_routes),
		cmocka_unit_test(one_name_for_several_protocols),
		cmocka_unit_test(the_same_name_at_two_listeners),
		cmocka_unit_test(too_many),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
