/* SPDX-License-Identifier: BSD-2-Clause */
/* user/conn/pipes.c: how many pipes there are, of which size, and who has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* The next calls fail, or give a pipe of one slot. */
static bool no_memory, no_pipe, narrow, small;

/* Without the right to widen it; of one slot. */
static int size_of(int fd, int what)
{
	if (what == F_SETPIPE_SZ) {
		errno = EPERM;
		return -1;
	}
	return small ? 4096 : fcntl(fd, what);
}

#define malloc(n)            (no_memory ? NULL : malloc(n))
#define pipe2(fds, flags)    (no_pipe ? (errno = EMFILE, -1) : pipe2(fds, flags))
#define fcntl(fd, what, ...) (narrow ? size_of(fd, what) : fcntl(fd, what, ##__VA_ARGS__))
#include "conn/pipes.c"
#undef malloc
#undef pipe2
#undef fcntl

static struct pipes pipes;
static int before;

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int up(void **state)
{
	(void)state;
	no_memory = no_pipe = narrow = small = false;
	pipes = (struct pipes){.max = 2};
	before = descriptors();
	return 0;
}

static int down(void **state)
{
	(void)state;
	pipes_fini(&pipes);
	assert_int_equal(pipes.open, 0);
	assert_null(pipes.idle);
	assert_int_equal(descriptors(), before);
	return 0;
}

static void a_pipe_passes_bytes_and_never_waits(void **state)
{
	struct pipe *p = pipes_take(&pipes);
	char got[8];

	(void)state;
	assert_non_null(p);
	assert_int_equal(read(p->read_fd, got, sizeof(got)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(write(p->write_fd, "hello", 5), 5);
	assert_int_equal(read(p->read_fd, got, sizeof(got)), 5);
	assert_int_equal(fcntl(p->read_fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(p->write_fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(p->write_fd, F_GETPIPE_SZ), PIPE_SLOTS * sysconf(_SC_PAGESIZE));
	pipe_give(p);
}

static void so_many_and_no_more(void **state)
{
	struct pipe *one = pipes_take(&pipes), *two = pipes_take(&pipes);

	(void)state;
	assert_true(one && two && one != two);
	assert_null(pipes_take(&pipes));
	pipe_give(one);
	assert_ptr_equal(pipes_take(&pipes), one); /* it was kept */
	assert_null(pipes_take(&pipes));
	pipe_give(two);
	pipe_give(one);
	assert_int_equal(pipes.open, 2);
}

/* Its bytes are nobody's. */
static void a_dropped_one_is_closed(void **state)
{
	struct pipe *p = pipes_take(&pipes);

	(void)state;
	assert_int_equal(write(p->write_fd, "secret", 6), 6);
	pipe_drop(p);
	assert_int_equal(pipes.open, 0);
	assert_int_equal(descriptors(), before);
}

static void without_any(void **state)
{
	(void)state;
	pipes.max = 0;
	assert_null(pipes_take(&pipes));
	pipes.max = 2;
	no_memory = true;
	assert_null(pipes_take(&pipes));
	no_memory = false;
	no_pipe = true;
	assert_null(pipes_take(&pipes));
	no_pipe = false;
	narrow = small = true;
	assert_null(pipes_take(&pipes));
	assert_int_equal(pipes.open, 0);
	assert_int_equal(descriptors(), before);
	small = false;
	pipe_give(pipes_take(&pipes)); /* the usual size is enough */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)
	const struct CMUnitTest tests[] = {
		TEST(a_pipe_passes_bytes_and_never_waits),
		TEST(so_many_and_no_more),
		TEST(a_dropped_one_is_closed),
		TEST(without_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
