/* SPDX-License-Identifier: BSD-2-Clause */
/* config_alpn.c: lists of protocols that a listener cannot offer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "tests/lib/loading.h"

#define TLS "--cert c --key k --app localhost:7 --listen :1 "

static void lists_that_can_be_offered(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(NULL, TLS "--mode tcp --alpn h2 --alpn http/1.1 --listen :2 "
						"--alpn http/1.1 --listen :3");

	(void)state;
	assert_int_equal(conf->listeners[0].alpn.count, 2);
	assert_string_equal(conf->listeners[0].alpn.set[0], "h2");
	assert_string_equal(conf->listeners[0].alpn.set[1], "http/1.1");
	assert_int_equal(conf->listeners[1].alpn.count, 1);
	assert_int_equal(conf->listeners[2].alpn.count, 0);
}

#define NOT_READ                                                                            \
	"cannot be offered in mode http, which reads HTTP/1.1 only: leave it out, or give " \
	"mode tcp\n"

static void lists_that_cannot(void **state)
{
	static const struct mistake_case cases[] = {
		{NULL, TLS "--alpn h2", "--alpn: \"h2\" " NOT_READ},
		{NULL, TLS "--alpn http/1.1 --alpn http/1.0", "--alpn: \"http/1.0\" " NOT_READ},
		{NULL, TLS "--mode tcp --alpn h2 --alpn H2 --alpn h2",
		 "--alpn: \"h2\" is listed twice\n"},
		{NULL, TLS "--alpn=", "--alpn: \"\" is empty\n"},
		{NULL, FINE "--mode tcp --alpn h2",
		 "--alpn: ALPN is part of a TLS handshake, and tls is off at this listener\n"},
		{"app: localhost:7\ncerts: [{cert: c, key: k}]\nlisteners:\n"
		 "- listen: ':1'\n  mode: tcp\n  alpn:\n  - h2\n  - imap\n  - h2\n",
		 "", "kedge.yaml:9: listeners[0].alpn[2]: \"h2\" is listed twice\n"},
		{"app: localhost:7\ncerts: [{cert: c, key: k}]\nalpn: [h2]\nlisteners:\n"
		 "- {listen: ':1', mode: tcp}\n- listen: ':2'\n",
		 "", "kedge.yaml:6: listeners[1]: alpn: \"h2\" " NOT_READ},
		{NULL,
		 TLS "--mode tcp --alpn a --alpn b --alpn c --alpn d --alpn e --alpn f --alpn g "
		     "--alpn h --alpn i --alpn j --alpn k --alpn l --alpn m --alpn n --alpn o "
		     "--alpn p --alpn q",
		 "--alpn: more than 16 protocols in alpn\n"},
	};

	(void)state;
	check_mistakes(cases, sizeof(cases) / sizeof(*cases));
}

static void a_name_of_256_bytes(void **state)
{
	char args[600] = TLS "--mode tcp --alpn ", said[200];
	size_t len = strlen(args);

	(void)state;
	memset(args + len, 'x', 255);
	args[len + 255] = '\0';
	conf_freep(&(struct conf *){must_load(NULL, args)});
	strcpy(args + len + 255, "x");
	snprintf(said, sizeof(said), "--alpn: \"%.66s...\" is longer than 255 bytes\n", args + len);
	check_mistakes(&(struct mistake_case){NULL, args, said}, 1);
}

static void a_common_list_is_for_those_with_tls(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load("app: localhost:7\n"
				      "alpn: [h2]\n"
				      "mode: tcp\n"
				      "certs: [{cert: c, key: k}]\n"
				      "listeners:\n"
				      "- {listen: ':1', tls: off}\n"
				      "- listen: ':2'\n"
				      "- {listen: ':3', alpn: []}\n"
				      "- {listen: ':4', alpn: [], tls: off}\n",
				      "");

	(void)state;
	assert_int_equal(conf->listeners[0].alpn.count, 0);
	assert_int_equal(conf->listeners[1].alpn.count, 1);
	assert_int_equal(conf->listeners[2].alpn.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_that_can_be_offered),
		cmocka_unit_test(lists_that_cannot),
		cmocka_unit_test(a_name_of_256_bytes),
		cmocka_unit_test(a_common_list_is_for_those_with_tls),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
