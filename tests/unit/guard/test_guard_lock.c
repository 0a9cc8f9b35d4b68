/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard_lock.c: locks of living guards, and what dead ones left. A lock is a directory, so the test
 * needs no bpffs: any file system will do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guard/guard_lock.h"

static char top[64], all[96];

static int up(void **state)
{
	(void)state;
	strcpy(top, "/tmp/kedge-lock-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(all, sizeof(all), "%s/kedge-guard-lock", top);
	return setenv("LIBXDP_BPFFS", top, 1);
}

static int down(void **state)
{
	(void)state;
	rmdir(all);
	return rmdir(top); /* each test leaves nothing */
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", all, name);
	return path;
}

static bool is_there(const char *name)
{
	return access(path_of(name), F_OK) == 0;
}

static int must_lock(unsigned id)
{
	int fd = guard_lock(id);

	assert_true(fd >= 0);
	return fd;
}

/* --- one lock --------------------------------------------------------------------------------- */

static void it_has_one_owner(void **state)
{
	int fd = must_lock(7), other;

	(void)state;
	assert_true(is_there("7"));
	assert_int_equal(guard_lock(7), -EADDRINUSE);
	other = must_lock(8); /* another number is another lock */
	guard_unlock(&other, 8);
	assert_int_equal(guard_lock(7), -EADDRINUSE);
	guard_unlock(&fd, 7);
	assert_int_equal(fd, -1);
	assert_false(is_there("7"));
	fd = must_lock(7);
	guard_unlock(&fd, 7);
	guard_unlock(&fd, 7); /* nothing is left to unlock */
}

static void it_is_for_nobody_else_to_read(void **state)
{
	struct stat st;
	int fd = must_lock(4294967295u);

	(void)state;
	assert_int_equal(stat(all, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(path_of("4294967295"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	guard_unlock(&fd, 4294967295u);
}

/* The keeper holds it, too. It lasts as long as one of the two processes. */
static void it_is_shared_with_a_child(void **state)
{
	int fd = must_lock(7), status, hold[2];
	pid_t child;
	char byte;

	(void)state;
	assert_int_equal(pipe(hold), 0);
	child = fork();
	if (!child) {
		close(hold[1]);
		_exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(hold[0]);
	close(fd);
	assert_int_equal(guard_lock(7), -EADDRINUSE);
	close(hold[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	fd = must_lock(7);
	guard_unlock(&fd, 7);
}

static void it_ends_with_its_process(void **state)
{
	int fd, status;
	pid_t child = fork();

	(void)state;
	if (!child) {
		if (guard_lock(7) < 0)
			_exit(1);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_true(is_there("7"));
	fd = must_lock(7);
	guard_unlock(&fd, 7);
}

/* --- what others can put there ----------------------------------------------------------- */

static void no_file_system_no_lock(void **state)
{
	(void)state;
	setenv("LIBXDP_BPFFS", "/nonexistent", 1);
	assert_int_equal(guard_lock(7), -ENOENT);
	guard_lock_sweep(); /* does nothing */
}

static void a_directory_that_others_may_read(void **state)
{
	(void)state;
	assert_int_equal(mkdir(all, 0700), 0);
	assert_int_equal(chmod(all, 0755), 0);
	assert_int_equal(guard_lock(7), -EPERM);
	assert_int_equal(chmod(all, 0710), 0);
	assert_int_equal(guard_lock(7), -EPERM);
	assert_false(is_there("7"));
}

static void a_directory_of_another_user(void **state)
{
	(void)state;
	if (geteuid()) {
		print_message("only root can give a directory to another user\n");
		skip();
	}
	assert_int_equal(mkdir(all, 0700), 0);
	assert_int_equal(chown(all, 12345, 12345), 0);
	assert_int_equal(guard_lock(7), -EPERM);
	assert_false(is_there("7"));
}

static void links_are_not_followed(void **state)
{
	char other[] = "/tmp/kedge-other-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(other));
	assert_int_equal(symlink(other, all), 0);
	assert_int_equal(guard_lock(7), -ENOTDIR);
	assert_int_equal(unlink(all), 0);
	assert_int_equal(mkdir(all, 0700), 0);
	assert_int_equal(symlink(other, path_of("7")), 0);
	assert_int_equal(guard_lock(7), -ENOTDIR);
	assert_int_equal(unlink(path_of("7")), 0);
	assert_int_equal(rmdir(other), 0);
}

static void a_file_in_the_place_of_a_lock(void **state)
{
	_cleanup_(close_fdp)
	int fd = -1;

	(void)state;
	assert_int_equal(mkdir(all, 0700), 0);
	fd = open(path_of("7"), O_CREAT | O_WRONLY, 0600);
	assert_int_equal(guard_lock(7), -ENOTDIR);
	assert_int_equal(unlink(path_of("7")), 0);
}

static unsigned highest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return (unsigned)fd;
}

static void out_of_descriptors(void **state)
{
	unsigned before = highest_fd();
	struct rlimit old, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (unsigned more = 0; more < 2; more++) {
		int fd;

		low = old;
		low.rlim_cur = before + more;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
		fd = guard_lock(7); /* needs two at a time */
		guard_lock_sweep();
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		assert_int_equal(fd, -EMFILE);
		assert_int_equal(highest_fd(), before);
	}
	rmdir(path_of("7"));
}

/* --- sweep ------------------------------------------------------------------------------------ */

static void what_nobody_holds_is_swept(void **state)
{
	int fd = must_lock(10), start = must_lock(GUARD_LOCK_START);

	(void)state;
	assert_int_equal(mkdir(path_of("9"), 0700), 0);
	assert_int_equal(mkdir(path_of("11"), 0700), 0);
	assert_int_equal(mkdir(path_of("others"), 0700), 0);
	guard_lock_sweep();
	assert_false(is_there("9"));
	assert_false(is_there("11"));
	assert_true(is_there("10"));
	assert_true(is_there("0"));
	assert_true(is_there("others"));
	assert_int_equal(guard_lock(10), -EADDRINUSE);
	guard_unlock(&fd, 10);
	guard_unlock(&start, GUARD_LOCK_START);
	assert_int_equal(rmdir(path_of("others")), 0);
}

/* --- the start -------------------------------------------------------------------------------- */

static void a_start_sweeps(void **state)
{
	char why[KBPF_WHY_SIZE] = "untouched";
	int fd;

	(void)state;
	assert_int_equal(mkdir(all, 0700), 0);
	assert_int_equal(mkdir(path_of("9"), 0700), 0);
	fd = guard_lock_start(why);
	assert_true(fd >= 0);
	assert_string_equal(why, "untouched");
	assert_false(is_there("9"));
	assert_int_equal(guard_lock(GUARD_LOCK_START), -EADDRINUSE);
	guard_unlock(&fd, GUARD_LOCK_START);
}

/* The child waits until its parent releases the lock. */
static void a_start_waits_for_another(void **state)
{
	int fd = must_lock(GUARD_LOCK_START), status, began[2];
	pid_t child;
	char byte = 0;

	(void)state;
	assert_int_equal(pipe(began), 0);
	child = fork();
	if (!child) {
		char why[KBPF_WHY_SIZE];

		close(fd); /* else it would hold its parent's lock */
		if (guard_lock(GUARD_LOCK_START) != -EADDRINUSE)
			_exit(1);
		if (write(began[1], &byte, 1) != 1)
			_exit(2);
		fd = guard_lock_start(why);
		if (fd < 0)
			_exit(3);
		guard_unlock(&fd, GUARD_LOCK_START);
		_exit(0);
	}
	assert_int_equal(read(began[0], &byte, 1), 1);
	guard_unlock(&fd, GUARD_LOCK_START);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(began[0]);
	close(began[1]);
}

static void a_start_without_locks(void **state)
{
	char why[KBPF_WHY_SIZE] = "", caps[80];

	(void)state;
	setenv("LIBXDP_BPFFS", "/nonexistent", 1);
	kbpf_missing_caps(caps, sizeof(caps));
	assert_int_equal(guard_lock_start(why), -ENOENT);
	if (caps[0])
		assert_non_null(strstr(why, caps));
	else
		assert_string_equal(why,
				    "its locks (kedge-guard-lock on /sys/fs/bpf): No such file or "
				    "directory: run as root, with a bpffs that may be written to");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_has_one_owner),
		TEST(it_is_for_nobody_else_to_read),
		TEST(it_is_shared_with_a_child),
		TEST(it_ends_with_its_process),
		TEST(no_file_system_no_lock),
		TEST(a_directory_that_others_may_read),
		TEST(a_directory_of_another_user),
		TEST(links_are_not_followed),
		TEST(a_file_in_the_place_of_a_lock),
		TEST(out_of_descriptors),
		TEST(what_nobody_holds_is_swept),
		TEST(a_start_sweeps),
		TEST(a_start_waits_for_another),
		TEST(a_start_without_locks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
