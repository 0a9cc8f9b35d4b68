/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard_keeper.c: the process that outlives kedge. Here its guard is on no interface, so it has
 * nothing to detach. tests/e2e/test_guard.py tests a keeper that detaches a guard.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guard/guard_keeper.h"
#include "tests/lib/net.h"

static struct guard_keeper keeper;
static pid_t pid;

/* guard_keeper_start() fails the test if it fails. */
static void start(int lock)
{
	keeper = (struct guard_keeper)GUARD_KEEPER_NONE;
	assert_int_equal(guard_keeper_start(&keeper, 7, NULL, 0, lock), 0);
	pid = keeper.pid;
	assert_true(pid > 0);
}

/* Its status, once it has ended. */
static int status(void)
{
	int s;

	assert_int_equal(waitpid(pid, &s, 0), pid);
	return s;
}

static void read_line(char *buf, int size, const char *file)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	f = fopen(path, "re");
	buf[0] = '\0';
	if (f && fgets(buf, size, f))
		buf[strcspn(buf, "\n")] = '\0';
	if (f)
		fclose(f);
}

static unsigned open_files(pid_t of)
{
	char path[64];
	const struct dirent *e;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)of);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static void none_is_there(void **state)
{
	struct guard_keeper none = GUARD_KEEPER_NONE;

	(void)state;
	assert_false(guard_keeper_lives(&none));
	assert_int_equal(guard_keeper_end(&none), -ESRCH);
	guard_keeper_dismiss(&none);
}

static void it_detaches_and_ends(void **state)
{
	(void)state;
	start(-1);
	assert_true(guard_keeper_lives(&keeper));
	assert_int_equal(guard_keeper_end(&keeper), 0);
	assert_int_equal(status(), 0);
	assert_int_equal(keeper.pid, 0);
	assert_int_equal(keeper.tell, -1);
	assert_int_equal(keeper.hear, -1);
	assert_false(guard_keeper_lives(&keeper));
	assert_int_equal(guard_keeper_end(&keeper), -ESRCH);
}

static void an_interface_that_has_gone_is_no_failure(void **state)
{
	const struct guard_interface gone = {.index = 0x7fffffff, .name = "gone0"};

	(void)state;
	keeper = (struct guard_keeper)GUARD_KEEPER_NONE;
	assert_int_equal(guard_keeper_start(&keeper, 7, &gone, 1, -1), 0);
	pid = keeper.pid;
	assert_int_equal(guard_keeper_end(&keeper), 0);
	assert_int_equal(status(), 0);
}

static void dismissed_it_ends_without_a_word(void **state)
{
	(void)state;
	start(-1);
	guard_keeper_dismiss(&keeper);
	assert_int_equal(status(), 0);
	assert_int_equal(keeper.pid, 0);
	assert_false(guard_keeper_lives(&keeper));
}

/* The other end of its pipe is closed. The test reads its message from another pipe. */
static void kedge_dies(void **state)
{
	char said[256] = "";
	int out[2], err = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(pipe(out), 0);
	dup2(out[1], STDERR_FILENO);
	start(-1);
	dup2(err, STDERR_FILENO);
	close(out[1]);
	close(err);
	close(keeper.tell);
	keeper.tell = -1;
	assert_true(net_wait(keeper.hear, POLLIN, NET_PATIENCE_MS));
	assert_false(guard_keeper_lives(&keeper));
	assert_int_equal(status(), 0);
	assert_true(read(out[0], said, sizeof(said) - 1) > 0);
	assert_non_null(strstr(said, "guard: kedge is gone without a word: detached"));
	close(out[0]);
	close(keeper.hear);
}

static void it_is_killed(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN); /* as kedge has it */
	start(-1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(WIFSIGNALED(status()));
	assert_false(guard_keeper_lives(&keeper));
	assert_int_equal(guard_keeper_end(&keeper), -ESRCH);
	assert_int_equal(keeper.pid, 0);
	/* To dismiss a dead one is a warning, without SIGPIPE. */
	start(-1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	status();
	guard_keeper_dismiss(&keeper);
	assert_int_equal(keeper.tell, -1);
	signal(SIGPIPE, SIG_DFL);
}

/* There is no event for it: looks until the keeper has closed what it inherited. */
static void wait_until_it_has_settled(unsigned files)
{
	for (int ms = 0; ms < NET_PATIENCE_MS && open_files(pid) != files; ms++)
		poll(NULL, 0, 1);
	assert_int_equal(open_files(pid), files);
}

static void it_keeps_nothing_but_its_pipes_and_the_lock(void **state)
{
	int many[100], lock = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char line[256];

	(void)state;
	for (int i = 0; i < 100; i++)
		many[i] = dup(0);
	start(lock);
	wait_until_it_has_settled(6);
	read_line(line, sizeof(line), "comm");
	assert_string_equal(line, "kedge-guard");
	assert_int_equal(getsid(pid), pid);
	assert_int_equal(guard_keeper_end(&keeper), 0);
	assert_int_equal(status(), 0);
	for (int i = 0; i < 100; i++)
		close(many[i]);
	close(lock);
	/* Without a lock, two of its own. */
	start(-1);
	wait_until_it_has_settled(5);
	assert_int_equal(guard_keeper_end(&keeper), 0);
	assert_int_equal(status(), 0);
}

/* What a service manager sends to all processes of a unit. */
static void signals_do_not_end_it(void **state)
{
	static const int sent[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};

	(void)state;
	start(-1);
	wait_until_it_has_settled(5);
	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
		assert_int_equal(kill(pid, sent[i]), 0);
	assert_true(guard_keeper_lives(&keeper));
	assert_int_equal(guard_keeper_end(&keeper), 0);
	assert_int_equal(status(), 0);
}

/* Few descriptors are enough: a keeper that fails at them would detach a guard that is needed. */
static void a_low_limit_of_descriptors(void **state)
{
	struct rlimit old, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = 32;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	start(-1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	/* Its end would be an event on the pipe. */
	assert_false(net_wait(keeper.hear, POLLIN, NET_QUIET_MS));
	wait_until_it_has_settled(5);
	assert_true(guard_keeper_lives(&keeper));
	assert_int_equal(guard_keeper_end(&keeper), 0);
	assert_int_equal(status(), 0);
}

/* kedge was started with closed standard streams, and its pipes got their numbers. */
static void without_standard_streams(void **state)
{
	int in = dup(STDIN_FILENO), out = dup(STDOUT_FILENO);

	(void)state;
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	start(-1);
	keeper.tell = fcntl(keeper.tell, F_DUPFD_CLOEXEC, 10);
	keeper.hear = fcntl(keeper.hear, F_DUPFD_CLOEXEC, 10);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	close(in);
	close(out);
	assert_false(net_wait(keeper.hear, POLLIN, NET_QUIET_MS));
	assert_int_equal(guard_keeper_end(&keeper), 0);
	assert_int_equal(status(), 0);
}

static void out_of_descriptors(void **state)
{
	struct rlimit old, low;
	unsigned before, next;

	(void)state;
	keeper = (struct guard_keeper)GUARD_KEEPER_NONE;
	before = open_files(getpid());
	next = (unsigned)dup(0);
	close((int)next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (unsigned room = 0; room < 4; room++) {
		low = old;
		low.rlim_cur = next + room;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
		assert_int_equal(guard_keeper_start(&keeper, 7, NULL, 0, -1), -EMFILE);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		assert_int_equal(keeper.pid, 0);
	}
	assert_int_equal(open_files(getpid()), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_is_there),
		cmocka_unit_test(it_detaches_and_ends),
		cmocka_unit_test(an_interface_that_has_gone_is_no_failure),
		cmocka_unit_test(dismissed_it_ends_without_a_word),
		cmocka_unit_test(kedge_dies),
		cmocka_unit_test(it_is_killed),
		cmocka_unit_test(it_keeps_nothing_but_its_pipes_and_the_lock),
		cmocka_unit_test(signals_do_not_end_it),
		cmocka_unit_test(a_low_limit_of_descriptors),
		cmocka_unit_test(without_standard_streams),
		cmocka_unit_test(out_of_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
