/* SPDX-License-Identifier: BSD-2-Clause */
/* config_loop.c: listeners in a circle, in whatever way their addresses are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config_loop.h"
#include "tests/lib/loading.h"
#include "tests/lib/own_ns.h"

#define CIRCLE                                                                              \
	"requests would go round in a circle, each of these is the application of the one " \
	"before: "
#define NEXT   ": give one of them the address where the application listens\n"
#define ITSELF " is this listener itself: give the address where the application listens\n"

/* "- {listen: 'A', tls: off, app: 'B'}" */
#define FROM(listen, app) "- {listen: '" listen "', tls: off, app: '" app "'}\n"

static void a_circle_is_named_whole(void **state)
{
	static const struct mistake_case cases[] = {
		{"listeners:\n" FROM("localhost:1", "localhost:2")
			 FROM("localhost:2", "localhost:1"),
		 "",
		 "kedge.yaml:2: listeners[0]: " CIRCLE
		 "127.0.0.1:1 -> 127.0.0.1:2 -> 127.0.0.1:1" NEXT},
		/* One that leads into it is no part of it. */
		{"listeners:\n" FROM("localhost:9", "[::1]:1") FROM("[::1]:1", "localhost:2")
			 FROM("localhost:3", "[::1]:1") FROM("localhost:2", "localhost:3"),
		 "",
		 "kedge.yaml:3: listeners[1]: " CIRCLE
		 "[::1]:1 -> 127.0.0.1:2 -> 127.0.0.1:3 -> [::1]:1" NEXT},
		/* The second server of one, the backup of the other. */
		{"tls: off\n"
		 "listeners: [{listen: 'localhost:1', app: a}, {listen: 'localhost:2', app: b}]\n"
		 "apps:\n"
		 "  a: {servers: ['localhost:7', 'localhost:2']}\n"
		 "  b: {servers: ['localhost:8'], backup: ['localhost:1']}\n",
		 "",
		 "kedge.yaml:2: listeners[0]: " CIRCLE
		 "127.0.0.1:1 -> 127.0.0.1:2 -> 127.0.0.1:1" NEXT},
		/* By a route. */
		{"listeners:\n"
		 "- listen: localhost:1\n"
		 "  certs: [{cert: c, key: k}]\n"
		 "  app: localhost:7\n"
		 "  routes: [{names: [a.test], app: 'localhost:2'}]\n" FROM("localhost:2",
									    "localhost:1"),
		 "",
		 "kedge.yaml:2: listeners[0]: " CIRCLE
		 "127.0.0.1:1 -> 127.0.0.1:2 -> 127.0.0.1:1" NEXT},
		/* Two circles, one of which has the other's listener. */
		{"listeners:\n" FROM("localhost:1",
				     "localhost:2") "- listen: localhost:2\n"
						    "  tls: off\n"
						    "  app: ['localhost:1', 'localhost:2']\n",
		 "",
		 "kedge.yaml:2: listeners[0]: " CIRCLE
		 "127.0.0.1:1 -> 127.0.0.1:2 -> 127.0.0.1:1" NEXT
		 "kedge.yaml:3: listeners[1]: the application 127.0.0.1:2" ITSELF},
	};

	(void)state;
	check_mistakes(cases, sizeof(cases) / sizeof(cases[0]));
}

static void other_ways_to_write_an_address(void **state)
{
	static const struct mistake_case cases[] = {
		{"listeners:\n" FROM(":1", "127.0.0.2:2") FROM("*:2", "[::ffff:127.0.0.1]:1"), "",
		 "kedge.yaml:2: listeners[0]: " CIRCLE
		 "[::]:1 -> 127.0.0.2:2 ([::]:2) -> 127.0.0.1:1 ([::]:1)" NEXT},
		{"listeners:\n" FROM("unix:@a", "unix:@b") FROM("unix:@b", "unix:@a"), "",
		 "kedge.yaml:2: listeners[0]: " CIRCLE "unix:@a -> unix:@b -> unix:@a" NEXT},
		{NULL, "--tls off --listen localhost:80 --app [::ffff:127.0.0.1]:80",
		 "--listen localhost:80: the application 127.0.0.1:80" ITSELF},
		{NULL, "--tls off --listen [::ffff:127.0.0.1]:80 --app localhost:80",
		 "--listen [::ffff:127.0.0.1]:80: the application 127.0.0.1:80" ITSELF},
		{NULL, "--tls off --listen unix:/proc/self/a --app unix:/proc//self/../self/a",
		 "--listen unix:/proc/self/a: the application unix:/proc//self/../self/a" ITSELF},
	};

	(void)state;
	check_mistakes(cases, sizeof(cases) / sizeof(cases[0]));
}

static void a_chain_without_a_circle_is_fine(void **state)
{
	static const char *const fine[] = {
		"listeners:\n" FROM(":1", "localhost:2") FROM(":2", "localhost:3"),
		"listeners:\n" FROM("localhost:3", "localhost:9") FROM("localhost:2", "localhost:3")
			FROM("localhost:1", "localhost:2"),
		/* The same one by two ways. */
		"listeners:\n"
		"- {listen: 'localhost:1', tls: off, app: ['localhost:2', 'localhost:3']}\n" FROM(
			"localhost:2", "localhost:4") FROM("localhost:3", "localhost:4")
			FROM("localhost:4", "localhost:5"),
		/* Other addresses. */
		"listeners:\n" FROM("localhost:1", "127.0.0.2:1"),
		"listeners:\n" FROM("0.0.0.0:1", "[::1]:1"),
		"listeners:\n" FROM("[::]:1", "127.0.0.1:1"),
		"listeners:\n" FROM(":1", "192.0.2.1:1"),
		"listeners:\n" FROM(":0", "localhost:1"),
		"listeners:\n" FROM("unix:/run/a", "unix:@/run/a"),
		"listeners:\n" FROM("unix:/run/a", "unix:/tmp/a"),
		"listeners:\n" FROM("unix:/none/a", "unix:/none/../none/a"),
		"listeners:\n" FROM("unix:@a", "localhost:1"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		_cleanup_(conf_freep)
		struct conf *conf = must_load(fine[i], "");

		assert_int_equal(config_loop_check(conf), 0);
	}
}

/* It is another name of the file, so it is found only where that is there. */
static void a_link_to_the_socket(void **state)
{
	char args[500], there[200], link[200];
	struct loaded l;

	(void)state;
	snprintf(there, sizeof(there), "%s/socket", loading_dir);
	snprintf(link, sizeof(link), "%s/link", loading_dir);
	snprintf(args, sizeof(args), "--tls off --listen unix:%s --app unix:%s", there, link);
	assert_int_equal(symlink(there, link), 0);
	l = load(args);
	assert_int_equal(l.status, 0);
	loaded_free(&l);
	fclose(fopen(there, "w"));
	l = load(args);
	assert_true(l.status < 0);
	assert_non_null(strstr(l.err, "is this listener itself"));
	loaded_free(&l);
	unlink(there);
	unlink(link);
}

/* In a network of its own, where 192.0.2.1 is this host. */
static void a_listener_of_all_addresses_has_those_of_the_host(void **state)
{
	static const struct mistake_case cases[] = {
		{NULL, "--tls off --listen :8080 --app 192.0.2.1:8080",
		 "--listen :8080: the application 192.0.2.1:8080" ITSELF},
		{NULL, "--tls off --listen [::]:8080 --app [2001:db8::1]:8080",
		 "--listen [::]:8080: the application [2001:db8::1]:8080" ITSELF},
	};
	static const char *const fine[] = {"192.0.2.2:8080", "192.0.2.1:8081",
					   "[2001:db8::2]:8080"};

	(void)state;
	if (!own_net_up())
		skip();
	assert_true(own_ip("address add 192.0.2.1/24 dev lo"));
	assert_true(own_ip("address add 2001:db8::1/64 dev lo nodad"));
	check_mistakes(cases, sizeof(cases) / sizeof(cases[0]));
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		_cleanup_(conf_freep)
		struct conf *conf = NULL;
		char flags[100];

		snprintf(flags, sizeof(flags), "--tls off --listen :8080 --app %s", fine[i]);
		conf = must_load(NULL, flags);
		assert_int_equal(conf->listeners_count, 1);
	}
}

/* Names are resolved after the configuration was read. */
static void a_name_that_leads_back(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load("listeners:\n" FROM("localhost:1", "a.test:2")
					      FROM("localhost:2", "localhost:1"),
				      "");
	const char *why;

	(void)state;
	assert_int_equal(config_loop_check(conf), 0);
	assert_int_equal(addr_parse(&conf->apps[0].servers.set[0].addr, "127.0.0.1:2", &why), 0);
	assert_int_equal(config_loop_check(conf), -ELOOP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_circle_is_named_whole),
		cmocka_unit_test(other_ways_to_write_an_address),
		cmocka_unit_test(a_chain_without_a_circle_is_fine),
		cmocka_unit_test(a_link_to_the_socket),
		cmocka_unit_test(a_listener_of_all_addresses_has_those_of_the_host),
		cmocka_unit_test(a_name_that_leads_back),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
