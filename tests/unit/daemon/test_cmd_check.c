/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/daemon/cmd_check.c: what it says of a configuration that is right, and of one that is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "daemon/cmd.h"
#include "daemon/cmd_check.h"
#include "tests/lib/loading.h"
#include "tests/lib/tls_peer.h"

static void check_sums_up_what_is_right(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = {0};
	static const char yaml[] = "tls: off\napp: localhost:3000\nworkers: 1\nlisteners:\n"
				   "- listen: :3443\n  proxy-protocol: require\n"
				   "  trust: [10.0.0.0/8]\n- listen: 127.0.0.1:80\n";

	write_file(yaml, strlen(yaml));
	l = run_command(cmd_check, "check", "-c FILE");
	assert_int_equal(l.status, EXIT_DONE);
	assert_string_equal(l.err, "");
	assert_string_equal(l.out, "kedge.yaml: ok: 2 listeners ([::]:3443 PROXY required, "
				   "127.0.0.1:80), app 127.0.0.1:3000, 1 worker\n");
}

static void check_says_what_is_wrong(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = {0};

	write_file("xff: up\n", 8);
	l = run_command(cmd_check, "check", "-c FILE " FINE);
	assert_int_equal(l.status, EXIT_USAGE);
	assert_string_equal(l.err, "kedge: error: kedge.yaml:1: xff: \"up\" is not one of append, "
				   "replace, if-none, never\n");
	assert_string_equal(l.out, "");
}

static void check_reads_every_certificate_once(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = {0};

	l = run_command(cmd_check, "check",
			"--cert /nowhere/a.pem --key /nowhere/a.key --cert /nowhere/b.pem "
			"--key /nowhere/b.key --listen :1 --listen :2 --app localhost:3");
	assert_int_equal(l.status, EXIT_FAILED);
	assert_string_equal(l.err, "kedge: error: certificate /nowhere/a.pem: cannot open: No such "
				   "file or directory\n"
				   "kedge: error: certificate /nowhere/b.pem: cannot open: No such "
				   "file or directory\n");
	assert_string_equal(l.out, "");
}

static void check_tries_the_key_with_the_certificate(void **state)
{
	_cleanup_(loaded_free)
	struct loaded fits = {0}, strange = {0};
	struct peer_cert one, two;
	char args[2048], said[2048];

	peer_cert_make(&one, "one", PEER_EC, "one.test", 1);
	peer_cert_make(&two, "two", PEER_EC, "two.test", 1);
	snprintf(args, sizeof(args), "--cert %s --key %s --listen :1 --app localhost:2 --workers 2",
		 one.cert, one.key);
	fits = run_command(cmd_check, "check", args);
	assert_string_equal(fits.err, "");
	assert_int_equal(fits.status, EXIT_DONE);
	assert_string_equal(fits.out,
			    "options: ok: 1 listener ([::]:1 TLS), app 127.0.0.1:2, 2 workers\n");
	snprintf(args, sizeof(args), "--cert %s --key %s --listen :1 --app localhost:2", one.cert,
		 two.key);
	strange = run_command(cmd_check, "check", args);
	snprintf(said, sizeof(said), "key %s: does not belong to certificate %s", two.key,
		 one.cert);
	assert_non_null(strstr(strange.err, said));
	assert_int_equal(strange.status, EXIT_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_sums_up_what_is_right),
		cmocka_unit_test(check_says_what_is_wrong),
		cmocka_unit_test(check_reads_every_certificate_once),
		cmocka_unit_test(check_tries_the_key_with_the_certificate),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
