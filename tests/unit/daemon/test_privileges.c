/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * privileges.c: which capabilities are kept, what is given to the later user, and what is said of
 * files. Capabilities, BPF and the change of user are fakes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/capability.h>
#include <pwd.h>

#include "base/secret.h"
#include "base/way_to.h"
#include "confine/confine.h"
#include "conn/worker.h"
#include "daemon/control.h"
#include "http/edit_bpf.h"
#include "tests/lib/heard.h"
#include "tests/lib/loading.h"

#define BIT(cap) (1ULL << (cap))

static uint64_t effective;    /* effective capabilities */
static uint64_t switched_off; /* taken out for a moment */
static uint64_t needed[4];    /* by what: bpf, peername, guard, room */
static unsigned tries[4];
static int switch_fails, find_fails;
static int give_fails[4]; /* bpf, peername, guard, control */
static char given[256];
static struct confine_conf confined;
static unsigned confinements, secrets;
static int confine_fails;
static char secret_name[32];
static unsigned secret_group;
static const char *unreadable[8], *blocked;
static bool missing; /* not there at all */

static bool fake_has(unsigned capability)
{
	return effective & BIT(capability);
}

static int fake_switch(unsigned capability, bool on)
{
	if (switch_fails)
		return switch_fails;
	assert_true(effective & BIT(capability));
	if (on)
		switched_off &= ~BIT(capability);
	else
		switched_off |= BIT(capability);
	return 0;
}

/* It works with what it needs of the capabilities that are there now. */
static bool fake_works(int what)
{
	tries[what]++;
	return !(needed[what] & ~(effective & ~switched_off));
}

static bool fake_bpf_may(struct kbpf *bpf)
{
	return fake_works(0);
}

static bool fake_peername_may(struct peername *p)
{
	return fake_works(1);
}

static bool fake_guard_may(struct guard *g)
{
	return fake_works(2);
}

static bool fake_room(void)
{
	return fake_works(3);
}

static int fake_give(int what, const char *name, uid_t uid, gid_t gid)
{
	assert_int_equal(uid, 4001);
	assert_int_equal(gid, 4002);
	strcat(given, name);
	strcat(given, " ");
	return give_fails[what];
}

static int fake_bpf_give(struct kbpf *bpf, uid_t uid, gid_t gid)
{
	return fake_give(0, "bpf", uid, gid);
}

static int fake_peername_give(struct peername *p, uid_t uid, gid_t gid)
{
	return fake_give(1, "peername", uid, gid);
}

static int fake_guard_give(struct guard *g, uid_t uid, gid_t gid)
{
	return fake_give(2, "guard", uid, gid);
}

static int fake_control_give(const char *path, uid_t uid, gid_t gid)
{
	return fake_give(3, path, uid, gid);
}

static uid_t own_uid;

static uid_t fake_geteuid(void)
{
	return own_uid;
}

static int fake_find(struct confine_user *out, const char *text, char why[CONFINE_WHY_SIZE])
{
	if (find_fails) {
		snprintf(why, CONFINE_WHY_SIZE, "there is no user \"%s\"", text);
		return find_fails;
	}
	*out = (struct confine_user){.uid = 4001, .gid = 4002};
	return 0;
}

static int fake_confine(const struct confine_conf *conf)
{
	assert_int_equal(switched_off, 0); /* what was taken out for a try is back */
	confined = *conf;
	confinements++;
	return confine_fails;
}

static struct passwd *entry; /* of the later user */

static struct passwd *fake_getpwuid(uid_t uid)
{
	assert_int_equal(uid, 4001);
	return entry;
}

static struct passwd *fake_getpwnam(const char *name)
{
	assert_string_equal(name, "kedge");
	return entry;
}

static void fake_secrets(void)
{
	secrets++;
}

static void fake_secret_user(const char *name, unsigned uid, unsigned gid)
{
	snprintf(secret_name, sizeof(secret_name), "%s", name ? name : "nobody known");
	secret_group = gid;
}

static int fake_access(const char *path, int mode)
{
	assert_int_equal(mode, R_OK);
	for (int i = 0; i < 8 && unreadable[i]; i++)
		if (!strcmp(path, unreadable[i])) {
			errno = missing ? ENOENT : EACCES;
			return -1;
		}
	return 0;
}

static bool fake_blocked(char dir[PATH_MAX], const char *path)
{
	if (!blocked || strncmp(path, blocked, strlen(blocked)) != 0)
		return false;
	strcpy(dir, blocked);
	return true;
}

#define confine_has       fake_has
#define confine_switch    fake_switch
#define confine_find_user fake_find
#define confine           fake_confine
#define confine_secrets   fake_secrets
#define getpwuid          fake_getpwuid
#define getpwnam          fake_getpwnam
#define secret_user       fake_secret_user
#define kbpf_may_update   fake_bpf_may
#define peername_may_set  fake_peername_may
#define guard_may_update  fake_guard_may
#define edit_bpf_has_room fake_room
#define kbpf_give         fake_bpf_give
#define peername_give     fake_peername_give
#define guard_give        fake_guard_give
#define control_give      fake_control_give
#define geteuid           fake_geteuid
#define access            fake_access
#define way_blocked       fake_blocked
#include "daemon/privileges.c"
#undef access

static struct shared shared_;

static int setup(void **state)
{
	(void)state;
	effective = 0;
	switched_off = 0;
	memset(needed, 0, sizeof(needed));
	memset(tries, 0, sizeof(tries));
	memset(give_fails, 0, sizeof(give_fails));
	switch_fails = find_fails = confine_fails = 0;
	given[0] = secret_name[0] = '\0';
	confinements = secrets = 0;
	own_uid = 0;
	missing = false;
	memset(unreadable, 0, sizeof(unreadable));
	blocked = NULL;
	memset(&shared_, 0, sizeof(shared_));
	heard_begin();
	return 0;
}

static void all_of_bpf(void)
{
	shared_.bpf = (struct kbpf *)&effective;
	shared_.peername = (struct peername *)&effective;
	shared_.guard = (struct guard *)&effective;
	shared_.edit_kernel = true;
	effective = BIT(CAP_BPF) | BIT(CAP_NET_ADMIN) | BIT(CAP_NET_BIND_SERVICE);
}

static uint64_t kept_by(const char *args)
{
	struct conf *conf = must_load(NULL, args);

	assert_int_equal(privileges_drop(conf, &shared_), 0);
	config_free(conf);
	return confined.keep;
}

#define HIGH "--tls off --listen :8443 --listen :9000 --app localhost:2"

static void nothing_is_kept_without_need(void **state)
{
	(void)state;
	assert_int_equal(kept_by(HIGH), 0);
	assert_int_equal(tries[0] + tries[1] + tries[2] + tries[3], 0); /* there is no BPF */
	all_of_bpf();
	assert_int_equal(kept_by(HIGH), 0); /* all works without any */
	for (int i = 0; i < 4; i++)
		assert_int_equal(tries[i], 1);
	assert_string_equal(heard, "");
}

static void low_ports_keep_their_capability(void **state)
{
	(void)state;
	assert_int_equal(kept_by("--tls off --listen :8443 --listen :443 --app localhost:2"),
			 BIT(CAP_NET_BIND_SERVICE));
	assert_int_equal(kept_by("--listen :1023 --tls off --app localhost:2"),
			 BIT(CAP_NET_BIND_SERVICE));
	assert_int_equal(kept_by("--listen :1024 --tls off --app localhost:2"), 0);
	assert_int_equal(kept_by("--listen 127.0.0.1:0 --tls off --app localhost:2"), 0);
}

static void each_need_of_bpf_keeps_it(void **state)
{
	for (int what = 0; what < 3; what++) {
		setup(state);
		all_of_bpf();
		needed[what] = BIT(CAP_BPF);
		assert_int_equal(kept_by(HIGH), BIT(CAP_BPF));
	}
}

static void send_buffers_keep_net_admin(void **state)
{
	(void)state;
	all_of_bpf();
	needed[3] = BIT(CAP_NET_ADMIN);
	assert_int_equal(kept_by(HIGH), BIT(CAP_NET_ADMIN));
	assert_string_equal(heard, "info: CAP_NET_ADMIN is kept for the send buffers of "
				   "edit: sysctl "
				   "net.core.wmem_max=1048576 makes it unnecessary\n");
	setup(state);
	all_of_bpf();
	needed[3] = BIT(CAP_NET_ADMIN);
	shared_.edit_kernel = false; /* user space needs none */
	assert_int_equal(kept_by(HIGH), 0);
	setup(state);
	all_of_bpf();
	needed[3] = BIT(CAP_NET_ADMIN);
	effective &= ~BIT(CAP_NET_ADMIN); /* nor is what is not there kept */
	assert_int_equal(kept_by(HIGH), 0);
}

/* A try that cannot be made is no proof that the capability is not needed. */
static void what_cannot_be_tried_is_kept(void **state)
{
	(void)state;
	all_of_bpf();
	switch_fails = -EPERM;
	assert_int_equal(kept_by(HIGH), BIT(CAP_BPF) | BIT(CAP_NET_ADMIN));
	assert_int_equal(tries[0], 0);
}

/* --- the user --------------------------------------------------------------------------------- */

#define PINNED HIGH " --user nobody --pin /sys/fs/bpf/kedge --control /run/kedge/kedge.sock"

static int drop(const char *args)
{
	struct conf *conf = must_load(NULL, args);
	int err = privileges_drop(conf, &shared_);

	config_free(conf);
	return err;
}

static void pins_and_socket_are_given_to_the_user(void **state)
{
	(void)state;
	all_of_bpf();
	assert_int_equal(drop(PINNED), 0);
	assert_string_equal(given, "bpf peername guard /run/kedge/kedge.sock ");
	assert_int_equal(confinements, 1);
	setup(state);
	all_of_bpf();
	own_uid = 4001; /* already that user */
	assert_int_equal(drop(PINNED), 0);
	assert_string_equal(given, "");
	assert_int_equal(confinements, 1);
	setup(state);
	all_of_bpf();
	assert_int_equal(drop(HIGH " --control /run/kedge/kedge.sock"), 0); /* no user */
	assert_string_equal(given, "");
	assert_null(confined.user);
}

static void only_what_there_is_is_given(void **state)
{
	(void)state;
	assert_int_equal(drop(PINNED), 0);
	assert_string_equal(given, "/run/kedge/kedge.sock ");
	setup(state);
	assert_int_equal(drop(HIGH " --user nobody --control off"), 0);
	assert_string_equal(given, "");
	assert_int_equal(confinements, 1);
}

static void what_cannot_be_given_ends_the_start(void **state)
{
	static const char *const says[] = {
		"error: pin directory /sys/fs/bpf/kedge: cannot be given to user nobody: "
		"Permission denied\n",
		"error: pin directory /sys/fs/bpf/kedge: cannot be given to user nobody: "
		"Permission denied\n",
		"error: pin directory /sys/fs/bpf/kedge: cannot be given to user nobody: "
		"Permission denied\n",
		"error: control socket /run/kedge/kedge.sock: cannot be given to user "
		"nobody: Permission denied\n",
	};

	for (int what = 0; what < 4; what++) {
		setup(state);
		all_of_bpf();
		give_fails[what] = -EACCES;
		assert_int_equal(drop(PINNED), -EACCES);
		assert_string_equal(heard, says[what]);
		assert_int_equal(confinements, 0);
	}
	setup(state);
	find_fails = -EINVAL;
	assert_int_equal(drop(PINNED), -EINVAL);
	assert_string_equal(heard, "error: user: there is no user "
				   "\"nobody\"\n");
	assert_int_equal(confinements, 0);
}

static void a_failing_confinement_ends_the_start(void **state)
{
	(void)state;
	confine_fails = -EPERM;
	unreadable[0] = "/etc/kedge/a.key";
	assert_int_equal(drop(HIGH), -EPERM);
	assert_string_equal(heard, "");
}

static void secrets_are_judged_by_the_later_user(void **state)
{
	struct conf *conf = must_load(NULL, HIGH " --user nobody");
	struct conf *none = must_load(NULL, HIGH);

	(void)state;
	privileges_expect(conf);
	assert_int_equal(secrets, 1);
	assert_string_equal(secret_name, "nobody known");
	assert_int_equal(secret_group, 4002);
	entry = &(struct passwd){.pw_name = "kedge"};
	privileges_expect(conf);
	entry = NULL;
	assert_string_equal(secret_name, "kedge"); /* and its further groups */
	secret_name[0] = '\0';
	privileges_expect(none);
	assert_int_equal(secrets, 3);
	assert_string_equal(secret_name, "");
	find_fails = -EINVAL; /* said later, by privileges_drop() */
	privileges_expect(conf);
	assert_string_equal(secret_name, "");
	assert_string_equal(heard, "");
	config_free(conf);
	config_free(none);
}

/* kedge check is run by root, for a unit that sets the user. */
static void the_user_of_the_units_is_expected_by_root_alone(void **state)
{
	struct conf *conf = must_load(NULL, HIGH " --user nobody");
	struct conf *none = must_load(NULL, HIGH);
	struct passwd kedge = {.pw_name = (char[]){"kedge"}, .pw_gid = 4003};

	(void)state;
	privileges_expect_service(none);
	assert_string_equal(secret_name, ""); /* there is no such user */
	entry = &kedge;
	privileges_expect_service(conf);
	own_uid = 4001;
	privileges_expect_service(none);
	assert_string_equal(secret_name, "");
	own_uid = 0;
	privileges_expect_service(none);
	assert_string_equal(secret_name, "kedge");
	assert_int_equal(secret_group, 4003);
	entry = NULL;
	config_free(conf);
	config_free(none);
}

/* --- files that a reload reads again ---------------------------------------------------------- */

#define FILES                                                                                    \
	"--listen :8443 --app localhost:2 --cert /c/a.pem --key /k/a.key --cert /c/b.pem --key " \
	"/k/b.key"

static void files_that_cannot_be_read_again_are_named(void **state)
{
	char expected[768], group[ACCOUNT_NAME];

	(void)state;
	unreadable[0] = "/k/b.key";
	unreadable[1] = "/c/a.pem";
	own_uid = 4000001;
	assert_int_equal(drop(FILES), 0);
	account_group(group, getegid());
	snprintf(expected, sizeof(expected),
		 "warning: certificate /c/a.pem: cannot be read again as user 4000001: a reload "
		 "will fail: chgrp %s /c/a.pem && chmod 640 /c/a.pem\n"
		 "warning: key /k/b.key: cannot be read again as user 4000001: a reload will "
		 "fail: chgrp %s /k/b.key && chmod 640 /k/b.key\n",
		 group, group);
	assert_string_equal(heard, expected);
}

/* No mode is to blame. */
static void a_file_that_is_not_there_is_no_matter_of_users(void **state)
{
	(void)state;
	unreadable[0] = "/k/b.key";
	missing = true;
	own_uid = 4000001;
	assert_int_equal(drop(FILES), 0);
	assert_string_equal(heard, "");
}

static void a_directory_in_the_way_is_named_once(void **state)
{
	char expected[512], group[ACCOUNT_NAME];

	(void)state;
	unreadable[0] = "/k/a.key";
	unreadable[1] = "/k/b.key";
	blocked = "/k";
	own_uid = 4000001;
	assert_int_equal(drop(FILES), 0);
	snprintf(expected, sizeof(expected),
		 "warning: key /k/a.key: cannot be read again as user 4000001: a reload will fail: "
		 "directory /k may not be entered: chgrp %s /k && chmod 710 /k\n",
		 account_group(group, getegid()));
	assert_string_equal(heard, expected);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup(t, setup)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_kept_without_need),
		TEST(low_ports_keep_their_capability),
		TEST(each_need_of_bpf_keeps_it),
		TEST(send_buffers_keep_net_admin),
		TEST(what_cannot_be_tried_is_kept),
		TEST(pins_and_socket_are_given_to_the_user),
		TEST(only_what_there_is_is_given),
		TEST(what_cannot_be_given_ends_the_start),
		TEST(a_failing_confinement_ends_the_start),
		TEST(secrets_are_judged_by_the_later_user),
		TEST(the_user_of_the_units_is_expected_by_root_alone),
		TEST(files_that_cannot_be_read_again_are_named),
		TEST(a_file_that_is_not_there_is_no_matter_of_users),
		TEST(a_directory_in_the_way_is_named_once),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
