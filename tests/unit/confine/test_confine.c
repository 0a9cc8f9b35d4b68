/* SPDX-License-Identifier: BSD-2-Clause */
/* confine.c: the user that kedge becomes, and what it keeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <linux/capability.h>

#include "confine/confine.h"
#include "tests/lib/child.h"
#include "tests/lib/heard.h"

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
	heard_begin();
	assert_int_equal(in_child(drop_everything), 0);
	heard_end();
}

static void root_becomes_a_user(void **state)
{
	if (geteuid())
		skip();
	heard_begin();
	assert_int_equal(in_child(keep_one), 0);
	assert_int_equal(in_child(become_somebody), 0);
	assert_int_equal(in_child(become_somebody_without_the_right), 0);
	heard_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_by_name_and_number),
		cmocka_unit_test(users_that_are_not_there),
		cmocka_unit_test(everything_is_dropped),
		cmocka_unit_test(root_becomes_a_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
