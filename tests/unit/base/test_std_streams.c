/* SPDX-License-Identifier: BSD-2-Clause */
/* std_streams.c: each set of closed standard streams, in a child that closes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/std_streams.h"

#define STREAMS 3

static bool is_null_device(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

static bool is_same(int fd, int other)
{
	struct stat a, b;

	return !fstat(fd, &a) && !fstat(other, &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* In the child: 0, or the number of the check that failed. */
static int close_and_open(unsigned closed, int pipe_fd)
{
	for (int fd = 0; fd < STREAMS; fd++) {
		if (closed & 1u << fd)
			close(fd);
		else if (dup2(pipe_fd, fd) < 0)
			return 1;
	}
	if (std_streams_open() != 0)
		return 2;
	for (int fd = 0; fd < STREAMS; fd++) {
		if (closed & 1u << fd && !is_null_device(fd))
			return 3;
		if (!(closed & 1u << fd) && !is_same(fd, pipe_fd))
			return 4;
		/* They are for children, too. */
		if (fcntl(fd, F_GETFD) & FD_CLOEXEC)
			return 5;
	}
	/* Nothing else was opened. */
	return fcntl(pipe_fd + 2, F_GETFD) < 0 ? 0 : 6;
}

/* In the child: no descriptor is to be had. */
static int open_without_room(unsigned closed, int pipe_fd)
{
	struct rlimit none = {0, 0};

	for (int fd = 0; fd < STREAMS; fd++)
		close(fd);
	if (setrlimit(RLIMIT_NOFILE, &none) < 0)
		return 1;
	return std_streams_open() == -EMFILE ? 0 : 2;
}

static void expect_in_child(int (*check)(unsigned closed, int pipe_fd), unsigned closed)
{
	int fds[2], status;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	closefrom(fds[1] + 1);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(check(closed, fds[0]));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(fds[0]);
	close(fds[1]);
}

static void every_closed_stream_becomes_the_null_device(void **state)
{
	for (unsigned closed = 0; closed < 1u << STREAMS; closed++)
		expect_in_child(close_and_open, closed);
}

static void an_open_that_fails_is_told(void **state)
{
	expect_in_child(open_without_room, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_closed_stream_becomes_the_null_device),
		cmocka_unit_test(an_open_that_fails_is_told),
	};

	return cmocka_run_group_tests_name("std_streams", tests, NULL, NULL);
}
