/* SPDX-License-Identifier: BSD-2-Clause */
/* config_reuse.c: what does not go together with app-reuse: shared, in flags and files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "config/config_reuse.h"
#include "tests/lib/loading.h"

#define HERE "--app localhost:2 --tls off --listen :1 "

static void mistakes(void **state)
{
	static const struct mistake_case cases[] = {
		{NULL, HERE "--app-reuse all",
		 "--app-reuse: \"all\" is not one of off, client, shared\n"},
		{NULL, HERE "--app-reuse shared --peername prefer",
		 "--app-reuse: shared does not go together with peername: each connection to "
		 "application 127.0.0.1:2 would show one client and serve several: set one of the "
		 "two to off\n"},
		{NULL, HERE "--app-reuse shared --send-proxy v1",
		 "--app-reuse: shared does not go together with send-proxy: each connection to "
		 "application 127.0.0.1:2 would name one client and serve several: set app-reuse "
		 "to client there\n"},
		{NULL, HERE "--mode tcp --app-reuse shared",
		 "--app-reuse: shared does not go together with mode tcp, which listener "
		 "[::]:1 has for application 127.0.0.1:2: set app-reuse to client there, "
		 "in apps\n"},
	};

	(void)state;
	check_mistakes(cases, sizeof(cases) / sizeof(cases[0]));
}

#define APPS                                                                                      \
	"listeners: [{listen: ':1', tls: off, app: a}, {listen: ':2', tls: off, mode: tcp, app: " \
	"b}]\n"

static void of_one_application(void **state)
{
	static const struct mistake_case cases[] = {
		{APPS "apps:\n"
		      "  a: {servers: ['localhost:7']}\n"
		      "  b: {servers: ['localhost:8'], app-reuse: shared}\n",
		 "",
		 "kedge.yaml: app-reuse: shared does not go together with mode tcp, which listener "
		 "[::]:2 has for application b: set app-reuse to client there, in apps\n"},
	};
	_cleanup_(conf_freep)
	struct conf *conf = must_load(APPS "app-reuse: shared\n"
					   "apps:\n"
					   "  a: {servers: ['localhost:7']}\n"
					   "  b: {servers: ['localhost:8'], app-reuse: client}\n",
				      "");
	char why[WHY_MAX];

	(void)state;
	assert_int_equal(conf->apps[0].app_reuse, APP_REUSE_SHARED);
	assert_int_equal(conf->apps[1].app_reuse, APP_REUSE_CLIENT);
	check_mistakes(cases, sizeof(cases) / sizeof(cases[0]));
	assert_null(config_reuse_conflict(conf, why));
	/* A reload cannot change peername. */
	conf->peername = POLICY_PREFER;
	assert_string_equal(config_reuse_conflict(conf, why), "app-reuse");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes),
		cmocka_unit_test(of_one_application),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
