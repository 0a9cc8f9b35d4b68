/* SPDX-License-Identifier: BSD-2-Clause */
/* Breaks an object in a process of its own. See breaks.h. */
#include "tests/lib/breaks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_ROW 42

/* What a process is to do, and how it must end. */
struct job {
	const char *(*broken)(unsigned row);
	unsigned row;
	void (*check)(void);
};

static void work(const struct job *j)
{
	const char *must_hold;

	signal(SIGABRT, SIG_DFL); /* cmocka has a handler */
	setenv("KEDGE_CHECK_SHORT", "1", 1);
	if (j->broken) {
		must_hold = j->broken(j->row);
		if (!must_hold)
			_exit(NO_ROW);
		fprintf(stderr, "%s\n", must_hold);
	}
	j->check();
	_exit(0);
}

/* The status of the process; *said is the beginning of its standard error. */
static int run(const struct job *j, char said[4096])
{
	int fds[2], status;
	size_t len = 0;
	char rest[4096];
	ssize_t n;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		dup2(fds[1], STDERR_FILENO);
		work(j);
	}
	close(fds[1]);
	do {
		n = len < 4095 ? read(fds[0], said + len, 4095 - len)
			       : read(fds[0], rest, sizeof(rest));
		len += n > 0 && len < 4095 ? (size_t)n : 0;
	} while (n > 0);
	said[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static bool aborted(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

unsigned breaks(const char *(*broken)(unsigned row), void (*check)(void))
{
	struct job j = {.broken = broken, .check = check};
	char said[4096], *text;
	int status;

	check();
	for (;; j.row++) {
		status = run(&j, said);
		if (WIFEXITED(status) && WEXITSTATUS(status) == NO_ROW)
			break;
		text = strchr(said, '\n');
		if (!text)
			fail_msg("row %u ended with status %x and said nothing", j.row, status);
		*text++ = '\0';
		if (!aborted(status) || !strstr(text, "check failed") || !strstr(text, said))
			fail_msg("row %u: '%s' was not found broken: status %x, '%s'", j.row, said,
				 status, text);
	}
	assert_true(j.row > 0);
	return j.row;
}

bool aborts_saying(void (*what)(void), const char *text)
{
	struct job j = {.check = what};
	char said[4096];
	int status = run(&j, said);

	return aborted(status) && strstr(said, text);
}
