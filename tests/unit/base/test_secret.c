/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * secret.c: who may read a key beside kedge, by mode, group and the groups of whoever kedge is. As
 * the test says, and then with files and groups of this system.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/child.h"
#include "tests/lib/heard.h"

static bool real;        /* the kernel answers, not the test */
static struct stat file; /* as fstat(2) gives it */
static int fstat_fails;
static gid_t own_group, groups[8]; /* of the process */
static int groups_count;
static gid_t listed[1030]; /* of the user database */
static int listed_count;

static int test_fstat(int fd, struct stat *out)
{
	if (real)
		return fstat(fd, out);
	*out = file;
	errno = fstat_fails;
	return fstat_fails ? -1 : 0;
}

static uid_t own_user;

static uid_t test_geteuid(void)
{
	return real ? geteuid() : own_user;
}

static gid_t test_getegid(void)
{
	return real ? getegid() : own_group;
}

static int test_getgroups(int size, gid_t *out)
{
	if (real)
		return getgroups(size, out);
	assert_true(size >= groups_count);
	memcpy(out, groups, sizeof(groups));
	return groups_count;
}

static int test_getgrouplist(const char *name, gid_t gid, gid_t *out, int *count)
{
	int room = *count;

	assert_string_equal(name, "kedge");
	for (int i = 0; i < room && i < listed_count; i++)
		out[i] = i ? listed[i] : gid;
	*count = listed_count;
	return listed_count > room ? -1 : listed_count;
}

#define fstat        test_fstat
#define geteuid      test_geteuid
#define getegid      test_getegid
#define getgroups    test_getgroups
#define getgrouplist test_getgrouplist
#include "base/secret.c"
#undef fstat
#undef geteuid
#undef getegid
#undef getgroups
#undef getgrouplist

static int setup(void **state)
{
	(void)state;
	real = false;
	file = (struct stat){.st_mode = S_IFREG | 0600, .st_gid = 500};
	fstat_fails = 0;
	own_user = 0;
	own_group = 100;
	unsetenv("KUBERNETES_SERVICE_HOST");
	groups_count = 0;
	listed_count = 0;
	future_count = 0;
	return 0;
}

static int check(unsigned mode, unsigned gid)
{
	int err;

	file.st_mode = mode;
	file.st_gid = gid;
	heard_begin();
	err = secret_check(3, "key", "/etc/a.key");
	heard_end();
	assert_int_equal(heard_lines, err ? 1 : 0); /* one line for one refusal */
	if (err)
		assert_memory_equal(heard, "error: key ", strlen("error: key "));
	return err;
}

static void nobody_else_may_read_or_write_it(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode <= 0777; mode++) {
		bool others = mode & 0006, group = mode & 0060;

		assert_int_equal(check(S_IFREG | mode, 500), others || group ? -EPERM : 0);
	}
}

#define TELL(rest) "error: key /etc/a.key: " rest "\n"
#define ALL        "everybody may read it (mode 644): "

static void the_message_says_what_to_do(void **state)
{
	(void)state;
	assert_int_equal(check(S_IFREG | 0644, 500), -EPERM);
	assert_string_equal(heard, TELL(ALL "chmod 600 /etc/a.key"));
	assert_int_equal(check(S_IFREG | 0640, 4000500), -EPERM);
	assert_string_equal(heard, TELL("group 4000500 may read it (mode 640), and kedge is not in "
					"it: chmod 600 /etc/a.key"));
}

/* Following it must not lead to a file that kedge cannot read: that would be the next mistake. */
static void the_next_step_is_the_last_one(void **state)
{
	(void)state;
	own_user = 4000077;
	own_group = 4000100;
	assert_int_equal(check(S_IFREG | 0644, 500), -EPERM); /* it is root's */
	assert_string_equal(heard, TELL(ALL "chgrp 4000100 /etc/a.key && chmod 640 /etc/a.key"));
	file.st_uid = 4000077;
	assert_int_equal(check(S_IFREG | 0644, 500), -EPERM);
	assert_string_equal(heard, TELL(ALL "chmod 600 /etc/a.key"));
	own_user = 0;
	file.st_uid = 0;
	listed_count = 1;
	secret_user("kedge", 4000078, 4000200);
	assert_int_equal(check(S_IFREG | 0644, 500), -EPERM); /* root reads it now: not later */
	assert_string_equal(heard, TELL(ALL "chgrp 4000200 /etc/a.key && chmod 640 /etc/a.key"));
	file.st_uid = 4000078;
	assert_int_equal(check(S_IFREG | 0644, 500), -EPERM);
	assert_string_equal(heard, TELL(ALL "chmod 600 /etc/a.key"));
	setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
	assert_int_equal(check(S_IFREG | 0644, 500), -EPERM);
	assert_string_equal(heard, TELL(ALL "in the pod's spec, fsGroup: 4000200, and defaultMode: "
					    "0440 for the volume of a Secret"));
	unsetenv("KUBERNETES_SERVICE_HOST");
}

static void groups_of_kedge_may_read_it(void **state)
{
	(void)state;
	assert_int_equal(check(S_IFREG | 0660, 100), 0); /* its own */
	groups[0] = 7;
	groups[1] = 500;
	groups_count = 2;
	assert_int_equal(check(S_IFREG | 0640, 500), 0);
	assert_int_equal(check(S_IFREG | 0640, 7), 0);
	assert_int_equal(check(S_IFREG | 0640, 501), -EPERM);
	groups_count = 1;
	assert_int_equal(check(S_IFREG | 0640, 500), -EPERM);
	groups_count = -1; /* getgroups(2) has failed */
	assert_int_equal(check(S_IFREG | 0640, 7), -EPERM);
}

static void root_may_read_everything_anyway(void **state)
{
	(void)state;
	assert_int_equal(check(S_IFREG | 0640, 0), 0);
	secret_user(NULL, 77, 200);
	assert_int_equal(check(S_IFREG | 0640, 0), 0);
	assert_int_equal(check(S_IFREG | 0644, 0), -EPERM); /* everybody is not */
}

/* Of the user that kedge will be, not of the one it still is. */
static void groups_of_the_later_user_count(void **state)
{
	(void)state;
	groups[0] = 500;
	groups_count = 1;
	secret_user(NULL, 77, 200);
	assert_int_equal(check(S_IFREG | 0640, 200), 0);
	assert_int_equal(check(S_IFREG | 0640, 500), -EPERM);
	assert_int_equal(check(S_IFREG | 0640, 100), -EPERM);
	listed[1] = 300;
	listed_count = 2;
	secret_user("kedge", 77, 200);
	assert_int_equal(check(S_IFREG | 0640, 200), 0);
	assert_int_equal(check(S_IFREG | 0640, 300), 0);
	assert_int_equal(check(S_IFREG | 0640, 301), -EPERM);
}

/* More groups than there is room for: the user's own one still counts. */
static void too_many_groups_leave_the_first(void **state)
{
	(void)state;
	for (int i = 0; i < 1030; i++)
		listed[i] = 10000 + (gid_t)i;
	listed_count = 1030;
	secret_user("kedge", 77, 200);
	assert_int_equal(check(S_IFREG | 0640, 200), 0);
	assert_int_equal(check(S_IFREG | 0640, 11029), -EPERM);
	listed_count = 1024; /* as many as fit */
	secret_user("kedge", 77, 200);
	assert_int_equal(check(S_IFREG | 0640, 11023), 0);
}

static void a_pipe_is_nobodys_to_read_twice(void **state)
{
	(void)state;
	assert_int_equal(check(S_IFIFO | 0666, 500), 0);
	assert_int_equal(check(S_IFCHR | 0666, 500), 0);
	assert_string_equal(heard, "");
}

static void a_file_that_cannot_be_looked_at_is_refused(void **state)
{
	(void)state;
	fstat_fails = EIO;
	assert_int_equal(check(S_IFREG | 0600, 0), -EIO);
	assert_heard("key /etc/a.key: ");
	assert_heard(": Input/output error");
}

/* --- files of this system --------------------------------------------------------------------- */

static int setup_real(void **state)
{
	setup(state);
	real = true;
	return 0;
}

static int check_real(mode_t mode, gid_t gid)
{
	char path[] = "/tmp/kedge-secret-XXXXXX";
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(fchown(fd, (uid_t)-1, gid), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	heard_begin();
	err = secret_check(fd, "key", path);
	heard_end();
	close(fd);
	return err;
}

static void files_are_for_owner_and_group(void **state)
{
	(void)state;
	assert_int_equal(check_real(0600, getegid()), 0);
	assert_int_equal(check_real(0400, getegid()), 0);
	assert_int_equal(check_real(0640, getegid()), 0);
	assert_int_equal(check_real(0604, getegid()), -EPERM);
	assert_int_equal(check_real(0602, getegid()), -EPERM);
	assert_int_equal(check_real(0644, getegid()), -EPERM);
}

static void files_are_not_for_a_group_of_others(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(check_real(0600, 65533), 0);
	assert_int_equal(check_real(0640, 65533), -EPERM);
	secret_user(NULL, 65533, 65533); /* kedge will be in it */
	assert_int_equal(check_real(0640, 65533), 0);
	assert_int_equal(check_real(0640, 65532), -EPERM);
}

/* Kubernetes' fsGroup, Debian's ssl-cert: kedge is in the group so that it can read the file. */
static int check_further_groups(void)
{
	const gid_t further[] = {65531, 65532};

	if (setgroups(2, further) < 0)
		return 1;
	return check_real(0440, 65532) || check_real(0640, 65531) ||
	       check_real(0640, 65533) != -EPERM || check_real(0644, 65532) != -EPERM;
}

static void files_are_for_a_further_group_of_kedge(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(in_child(check_further_groups), 0);
}

static void a_real_pipe(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(secret_check(fds[0], "key", "/dev/stdin"), 0);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup(t, setup)
	const struct CMUnitTest tests[] = {
		TEST(nobody_else_may_read_or_write_it),
		TEST(the_message_says_what_to_do),
		TEST(the_next_step_is_the_last_one),
		TEST(groups_of_kedge_may_read_it),
		TEST(root_may_read_everything_anyway),
		TEST(groups_of_the_later_user_count),
		TEST(too_many_groups_leave_the_first),
		TEST(a_pipe_is_nobodys_to_read_twice),
		TEST(a_file_that_cannot_be_looked_at_is_refused),
		cmocka_unit_test_setup(files_are_for_owner_and_group, setup_real),
		cmocka_unit_test_setup(files_are_not_for_a_group_of_others, setup_real),
		cmocka_unit_test_setup(files_are_for_a_further_group_of_kedge, setup_real),
		cmocka_unit_test_setup(a_real_pipe, setup_real),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
