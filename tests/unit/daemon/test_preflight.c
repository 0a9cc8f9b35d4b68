/* SPDX-License-Identifier: BSD-2-Clause */
/* preflight.c: paths that can never do, and certificates that are read by another process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/lib/loading.h"
#include "tests/lib/tls_peer.h"

static int child_signal; /* what ends the child; 0: nothing */
static bool no_process;

static pid_t fake_fork(void)
{
	pid_t pid;

	if (no_process) {
		errno = EAGAIN;
		return -1;
	}
	pid = fork();
	if (!pid && child_signal)
		raise(child_signal);
	return pid;
}

#define fork fake_fork
#include "daemon/preflight.c"
#undef fork

static char heard[4096];

static void hear(struct log_tap *tap, enum log_level level, const char *line)
{
	(void)tap;
	(void)level;
	snprintf(heard + strlen(heard), sizeof(heard) - strlen(heard), "%s\n", line);
}

static int places(const char *args)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(NULL, args);
	struct log_tap tap = {.hear = hear, .quiet = true};
	struct log_tap *before;
	int err;

	*heard = '\0';
	before = log_set_tap(&tap);
	err = preflight_places(conf);
	log_set_tap(before);
	return err;
}

static void make_socket(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(un.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
}

static void paths_that_can_never_do(void **state)
{
	static const struct {
		const char *args, *said; /* %s: a directory */
	} cases[] = {
		{"--control %s", "control socket %s: there is a directory"},
		{"--control %s/file", "control socket %s/file: there is a file that is no socket"},
		{"--access-log %s", "access log %s: there is a directory: name a file in it"},
		{"--listen unix:%s --tls off", "listener unix:%s: there is a directory"},
		{"--listen unix:%s/file --tls off", "listener unix:%s/file: there is a file that"},
		{"--listen unix:%s/c --tls off --control %s/c",
		 "listener unix:%s/c: the same path as the control socket"},
		{"--listen localhost:9 --tls off --metrics localhost:9",
		 "listener 127.0.0.1:9: the same address as metrics"},
	};
	char file[100], args[400], said[200];

	(void)state;
	snprintf(file, sizeof(file), "%s/file", loading_dir);
	fclose(fopen(file, "w"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int n = snprintf(args, sizeof(args), "%s", FINE);

		snprintf(args + n, sizeof(args) - (size_t)n, cases[i].args, loading_dir,
			 loading_dir);
		snprintf(said, sizeof(said), cases[i].said, loading_dir);
		assert_int_equal(places(args), -EINVAL);
		if (!strstr(heard, said))
			fail_msg("%s: %s", args, heard);
	}
	unlink(file);
}

static void paths_that_may_do(void **state)
{
	static const char *const cases[] = {
		"--control off --access-log off",
		"--control %s/none --access-log %s/none",
		"--control %s/socket --access-log stdout",
		"--control %s/none/none --access-log journal",
		"--listen unix:%s/socket --tls off",
		"--listen unix:%s/none --tls off --metrics off",
		"--listen unix:@a --tls off",
		"--listen localhost:9 --tls off --metrics localhost:8",
	};
	char path[100], args[400];

	(void)state;
	snprintf(path, sizeof(path), "%s/socket", loading_dir);
	make_socket(path);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int n = snprintf(args, sizeof(args), "%s", FINE);

		snprintf(args + n, sizeof(args) - (size_t)n, cases[i], loading_dir, loading_dir);
		assert_int_equal(places(args), 0);
		assert_string_equal(heard, "");
	}
	unlink(path);
}

static void every_mistake_is_told(void **state)
{
	char args[600];

	(void)state;
	snprintf(args, sizeof(args), FINE "--control %s --access-log %s --listen unix:%s --tls off",
		 loading_dir, loading_dir, loading_dir);
	assert_int_equal(places(args), -EINVAL);
	assert_non_null(strstr(heard, "control socket "));
	assert_non_null(strstr(heard, "access log "));
	assert_non_null(strstr(heard, "listener "));
}

static int certs(const char *cert, const char *key)
{
	_cleanup_(conf_freep)
	struct conf *conf = NULL;
	char args[600];

	snprintf(args, sizeof(args), "--cert %s --key %s --listen :1 --app localhost:2", cert, key);
	conf = must_load(NULL, args);
	return preflight_certs(conf);
}

static void certificates_are_read_elsewhere(void **state)
{
	struct peer_cert one, two;

	(void)state;
	peer_cert_make(&one, "one", PEER_EC, "one.test", 1);
	peer_cert_make(&two, "two", PEER_EC, "two.test", 1);
	assert_int_equal(certs(one.cert, one.key), 0);
	assert_int_equal(certs(one.cert, two.key), -EINVAL);
	assert_int_equal(certs("/nowhere/a.pem", one.key), -ENOENT);
	assert_int_equal(certs(loading_dir, one.key), -EISDIR);
	assert_int_equal(log_level(), LOG_LEVEL_INFO);
	no_process = true;
	assert_int_equal(certs(one.cert, one.key), -EAGAIN);
	no_process = false;
	child_signal = SIGKILL;
	assert_int_equal(certs(one.cert, one.key), -EAGAIN);
	child_signal = 0;
}

static void what_may_come_later_is_no_mistake(void **state)
{
	(void)state;
	assert_false(preflight_is_mistake(0));
	assert_false(preflight_is_mistake(-ENOENT));
	assert_false(preflight_is_mistake(-EAGAIN));
	assert_false(preflight_is_mistake(-ENOMEM));
	assert_true(preflight_is_mistake(-EINVAL));
	assert_true(preflight_is_mistake(-EPERM));
	assert_true(preflight_is_mistake(-EISDIR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_that_can_never_do),
		cmocka_unit_test(paths_that_may_do),
		cmocka_unit_test(every_mistake_is_told),
		cmocka_unit_test(certificates_are_read_elsewhere),
		cmocka_unit_test(what_may_come_later_is_no_mistake),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
