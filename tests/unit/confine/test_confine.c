/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/confine/confine.c, user/base/secret.c: the user that kedge becomes, and the secrets it
 * reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/capability.h>

#include "base/cleanup.h"
#include "confine/confine.h"
#include "base/secret.h"

static void assert_user(const char *text, uid_t uid, gid_t gid)
{
	struct confine_user user = {1, 1};
	char why[CONFINE_WHY_SIZE] = "";

	assert_int_equal(confine_find_user(&user, text, why), 0);
	assert_int_equal(user.uid, uid);
	assert_int_equal(user.gid, gid);
}

static void assert_no_user(const char *text, const char *expected)
{
	struct confine_user user = {17, 18};
	char why[CONFINE_WHY_SIZE] = "";

	assert_int_equal(confine_find_user(&user, text, why), -EINVAL);
	assert_string_equal(why, expected);
	assert_int_equal(user.uid, 17);
	assert_int_equal(user.gid, 18);
}

static void users_by_name_and_number(void **state)
{
	assert_user("root", 0, 0);
	assert_user("0", 0, 0);
	assert_user("root:7", 0, 7);
	assert_user("daemon:root", 1, 0);
	assert_user("4000000000:4000000001", 4000000000, 4000000001);
}

static void users_that_are_not_there(void **state)
{
	assert_no_user("no-such-user", "there is no user \"no-such-user\"");
	assert_no_user("root:no-such-group", "there is no group \"no-such-group\"");
	assert_no_user("root:", "there is no group \"\"");
	assert_no_user(":root", "there is no user \"\"");
	assert_no_user("4000000000",
		       "user 4000000000 has no entry: give its group, 4000000000:GROUP");
	assert_no_user("4294967295", "there is no user \"4294967295\""); /* "unchanged" to setuid */
	assert_no_user("1x", "there is no user \"1x\"");
	assert_no_user("a23456789a23456789a23456789a23456789a23456789a23456789a23456789a234",
		       "the name of a user is shorter");
}

/* Runs it in a child, since nothing of it can be undone. */
static int in_child(int (*run)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDERR_FILENO);
		_exit(run());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int drop_everything(void)
{
	const struct confine_conf conf = {.seccomp = SECCOMP_OFF};
	struct rlimit core;

	if (confine(&conf))
		return 1;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return 3;
	if (getrlimit(RLIMIT_CORE, &core) || core.rlim_max)
		return 4;
	for (unsigned cap = 0; cap <= CAP_CHECKPOINT_RESTORE; cap++)
		if (confine_has(cap))
			return 5;
	return 0;
}

static int keep_one(void)
{
	const struct confine_conf conf = {.keep = 1 << CAP_NET_BIND_SERVICE};

	if (confine(&conf))
		return 1;
	if (!confine_has(CAP_NET_BIND_SERVICE) || confine_has(CAP_NET_ADMIN))
		return 2;
	/* Off and on again, as when kedge tries whether it needs it. */
	if (confine_switch(CAP_NET_BIND_SERVICE, false) || confine_has(CAP_NET_BIND_SERVICE))
		return 3;
	if (confine_switch(CAP_NET_BIND_SERVICE, true) || !confine_has(CAP_NET_BIND_SERVICE))
		return 4;
	/* A dropped capability does not come back. */
	confine_switch(CAP_NET_ADMIN, true);
	return confine_has(CAP_NET_ADMIN) ? 5 : 0;
}

static int become_somebody(void)
{
	const struct confine_conf conf = {.user = "65534:65533"};
	gid_t groups[64];

	if (confine(&conf))
		return 1;
	if (getuid() != 65534 || geteuid() != 65534 || getegid() != 65533)
		return 2;
	if (getgroups(64, groups) > 1 || setuid(0) == 0)
		return 3;
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) ? 4 : 0;
}

static int become_somebody_without_the_right(void)
{
	const struct confine_conf first = {.user = "65534:65533"}, second = {.user = "1:1"};

	return confine(&first) ? 1 : confine(&second) == -EPERM ? 0 : 2;
}

static void everything_is_dropped(void **state)
{
	assert_int_equal(in_child(drop_everything), 0);
}

static void root_becomes_a_user(void **state)
{
	if (geteuid())
		skip();
	assert_int_equal(in_child(keep_one), 0);
	assert_int_equal(in_child(become_somebody), 0);
	assert_int_equal(in_child(become_somebody_without_the_right), 0);
}

/* --- secrets ---------------------------------------------------------------------------------- */

static int check_with(mode_t mode, gid_t gid)
{
	char path[] = "/tmp/kedge-secret-XXXXXX";
	_cleanup_(close_fdp)
	int fd = mkstemp(path);
	int r;

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(fchown(fd, (uid_t)-1, gid), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	r = secret_check(fd, "key", path);
	return r;
}

static void secrets_are_for_owner_and_group(void **state)
{
	assert_int_equal(check_with(0600, getegid()), 0);
	assert_int_equal(check_with(0400, getegid()), 0);
	assert_int_equal(check_with(0640, getegid()), 0);
	assert_int_equal(check_with(0604, getegid()), -EPERM);
	assert_int_equal(check_with(0602, getegid()), -EPERM);
	assert_int_equal(check_with(0644, getegid()), -EPERM);
}

static void a_group_of_others_may_not_read_secrets(void **state)
{
	if (geteuid())
		skip();
	assert_int_equal(check_with(0600, 65533), 0);
	assert_int_equal(check_with(0640, 65533), -EPERM);
	secret_user(NULL, 65533); /* kedge will be in it */
	assert_int_equal(check_with(0640, 65533), 0);
	assert_int_equal(check_with(0640, 65532), -EPERM);
	secret_user(NULL, 0);
}

/* Kubernetes' fsGroup, Debian's ssl-cert: kedge is in the group so that it can read the file. */
static int check_further_groups(void)
{
	const gid_t further[] = {65531, 65532};

	if (setgroups(2, further) < 0)
		return 1;
	return check_with(0440, 65532) || check_with(0640, 65531) ||
	       check_with(0640, 65533) != -EPERM || check_with(0644, 65532) != -EPERM;
}

static void a_further_group_of_kedge_may_read_secrets(void **state)
{
	if (geteuid())
		skip();
	assert_int_equal(in_child(check_further_groups), 0);
}

static void pipes_are_nobodys_to_read(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(secret_check(fds[0], "key", "/dev/stdin"), 0);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_by_name_and_number),
		cmocka_unit_test(users_that_are_not_there),
		cmocka_unit_test(everything_is_dropped),
		cmocka_unit_test(root_becomes_a_user),
		cmocka_unit_test(secrets_are_for_owner_and_group),
		cmocka_unit_test(a_further_group_of_kedge_may_read_secrets),
		cmocka_unit_test(a_group_of_others_may_not_read_secrets),
		cmocka_unit_test(pipes_are_nobodys_to_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
