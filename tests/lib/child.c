/* SPDX-License-Identifier: BSD-2-Clause */
/* See child.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

static bool become_nobody(void)
{
	return geteuid() || (!setresgid(65534, 65534, 65534) && !setresuid(65534, 65534, 65534));
}

static int run(int (*what)(void), bool nobody)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child)
		_exit(nobody && !become_nobody() ? 99 : what());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

int in_child(int (*what)(void))
{
	return run(what, false);
}

int as_nobody(int (*what)(void))
{
	return run(what, true);
}
