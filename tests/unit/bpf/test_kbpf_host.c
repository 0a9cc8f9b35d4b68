/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kbpf_host.c: why BPF is refused, and which cgroup is opened. Children drop capabilities, or get a
 * seccomp filter or a user namespace, and compare the messages. Their status is the result.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/capability.h>

#include "bpf/kbpf_host.h"
#include "confine/confine.h"
#include "tests/lib/child.h"
#include "tests/lib/own_ns.h"

#define NO_CAPS "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON"

static char why[KBPF_WHY_SIZE];

static void need_root(void)
{
	if (own_real_root())
		return;
	print_message("root can give capabilities up; another has none\n");
	skip();
}

/* 0 if they are the same; else says so, and 1. */
static int differ(const char *is, const char *want)
{
	if (!strcmp(is, want))
		return 0;
	fprintf(stderr, "\"%s\" instead of \"%s\"\n", is, want);
	return 1;
}

/* --- messages --------------------------------------------------------------------------------- */

static void a_message_is_cut_at_its_end(void **state)
{
	char longer[400];

	(void)state;
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(kbpf_why(why, -ENOSPC, "%d %s", 7, "left"), -ENOSPC);
	assert_string_equal(why, "7 left");
	assert_int_equal(kbpf_why(why, -EIO, "%s", longer), -EIO);
	assert_int_equal(strlen(why), KBPF_WHY_SIZE - 1);
}

/* --- capabilities ----------------------------------------------------------------------------- */

static int are_missing(const char *want)
{
	char caps[80];

	kbpf_missing_caps(caps, sizeof(caps));
	return differ(caps, want);
}

static int all_of_them(void)
{
	confine_keep(0);
	return are_missing(NO_CAPS);
}

static int those_but_net_admin(void)
{
	confine_keep(1ULL << CAP_NET_ADMIN);
	return are_missing("CAP_BPF, CAP_PERFMON");
}

/* It includes CAP_BPF and CAP_PERFMON, which were part of it before Linux 5.8. */
static int sys_admin_is_enough_for_two(void)
{
	confine_keep(1ULL << CAP_SYS_ADMIN);
	return are_missing("CAP_NET_ADMIN");
}

static int none(void)
{
	confine_keep(1ULL << CAP_BPF | 1ULL << CAP_PERFMON | 1ULL << CAP_NET_ADMIN);
	return are_missing("");
}

static void missing_capabilities_are_named(void **state)
{
	(void)state;
	assert_int_equal(in_child(all_of_them), 0);
	need_root();
	assert_int_equal(in_child(those_but_net_admin), 0);
	assert_int_equal(in_child(sys_admin_is_enough_for_two), 0);
	assert_int_equal(in_child(none), 0);
}

static int fit_or_are_cut(void)
{
	char caps[sizeof(NO_CAPS) + 1];

	confine_keep(0);
	for (size_t size = 1; size <= sizeof(NO_CAPS); size++) {
		memset(caps, '?', sizeof(caps));
		kbpf_missing_caps(caps, size);
		if (strlen(caps) >= size || strncmp(caps, NO_CAPS, strlen(caps)) ||
		    caps[size] != '?')
			return 1;
	}
	return differ(caps, NO_CAPS);
}

static void a_list_without_room_is_cut(void **state)
{
	(void)state;
	assert_int_equal(in_child(fit_or_are_cut), 0);
}

/* --- why a load failed ------------------------------------------------------------------------ */

static int says(int err, const char *lacks, const char *want)
{
	int got = kbpf_load_why(err, lacks, why);

	return differ(why, want) + 2 * (got != err);
}

static int capabilities_come_first(void)
{
	confine_keep(0);
	return says(-EPERM, "no sockhash",
		    "BPF programs refused: no " NO_CAPS ": run as root, or grant them");
}

static int a_filter_comes_second(void)
{
	if (!own_bpf_forbid(EPERM))
		return 9;
	return says(-EPERM, "no sockhash",
		    "BPF programs refused: a seccomp filter forbids bpf(2): allow it in the "
		    "profile of the container, or in SystemCallFilter= of the unit");
}

/* Docker's filter answers ENOSYS. */
static int a_filter_that_hides_it(void)
{
	return own_bpf_forbid(ENOSYS) ? strstr((kbpf_load_why(-ENOSYS, NULL, why), why),
					       "a seccomp filter forbids bpf(2)") == NULL
				      : 9;
}

static int a_user_namespace(void)
{
	if (!own_user_root())
		return 77;
	return says(-EPERM, "no sockhash",
		    "BPF programs refused: the capabilities are those of a user namespace, which "
		    "bpf(2) does not take: run outside of it");
}

static void what_forbids_it_as_a_whole(void **state)
{
	(void)state;
	assert_int_equal(in_child(capabilities_come_first), 0);
	need_root();
	assert_int_equal(in_child(a_filter_comes_second), 0);
	assert_int_equal(in_child(a_filter_that_hides_it), 0);
}

static void capabilities_that_do_not_count(void **state)
{
	int status = in_child(a_user_namespace);

	(void)state;
	if (status == 77) {
		print_message("no user namespaces here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void then_what_the_kernel_lacks(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(says(-EINVAL, "BPF programs refused: no sockhash maps",
			      "BPF programs refused: no sockhash maps"),
			 0);
	assert_int_equal(says(-E2BIG, NULL,
			      "BPF programs refused: Argument list too long: --log-level debug "
			      "shows the verifier's words"),
			 0);
}

/* --- cgroups ---------------------------------------------------------------------------------- */

static void not_a_cgroup(void **state)
{
	(void)state;
	assert_int_equal(kbpf_cgroup_open("/nonexistent", why), -ENOENT);
	assert_string_equal(why, "cgroup /nonexistent: No such file or directory: name a cgroup v2 "
				 "directory that exists");
	assert_int_equal(kbpf_cgroup_open("/etc/passwd", why), -ENOTDIR);
	assert_string_equal(why, "cgroup /etc/passwd: Not a directory: name a cgroup v2 directory "
				 "that exists");
	assert_int_equal(kbpf_cgroup_open("/tmp", why), -EINVAL);
	assert_string_equal(why, "cgroup /tmp: not a cgroup v2 directory");
}

static bool same(int a, int b)
{
	struct stat s, t;

	return !fstat(a, &s) && !fstat(b, &t) && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

static int the_test_s_own(void)
{
	const char *path = own_cgroup_up();
	int root, own, named, wrong;

	if (!path)
		return 77;
	root = kbpf_cgroup_open_root(why);
	named = kbpf_cgroup_open(path, why);
	if (!own_cgroup_enter(path))
		return 77;
	own = kbpf_cgroup_open(NULL, why);
	own_cgroup_enter(NULL);
	wrong = root < 0 || own < 0 || named < 0 ? 1
		: !same(own, named)              ? 2
		: same(own, root)                ? 3
						 : 0;
	if (own >= 0 && !(fcntl(own, F_GETFD) & FD_CLOEXEC))
		wrong = 4;
	own_cgroup_down();
	return wrong;
}

static void by_name_or_the_one_we_are_in(void **state)
{
	int status;

	(void)state;
	need_root();
	status = in_child(the_test_s_own);
	if (status == 77)
		skip();
	assert_int_equal(status, 0);
}

/* In a mount namespace of its own: nobody else loses a mount. */
static int without_any(void)
{
	char point[256], type[32];
	FILE *f;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 77;
	f = fopen("/proc/self/mounts", "re");
	while (f && fscanf(f, "%*s %255s %31s %*[^\n]", point, type) == 2)
		if (!strcmp(type, "cgroup2") && umount2(point, MNT_DETACH))
			return 77;
	if (f)
		fclose(f);
	if (kbpf_cgroup_open(NULL, why) != -ENOENT || kbpf_cgroup_open_root(why) != -ENOENT)
		return 1;
	return differ(why, "no cgroup v2 is mounted: mount -t cgroup2 none /sys/fs/cgroup");
}

static void none_is_mounted(void **state)
{
	int status;

	(void)state;
	need_root();
	status = in_child(without_any);
	if (status == 77)
		skip();
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_cut_at_its_end),
		cmocka_unit_test(missing_capabilities_are_named),
		cmocka_unit_test(a_list_without_room_is_cut),
		cmocka_unit_test(what_forbids_it_as_a_whole),
		cmocka_unit_test(capabilities_that_do_not_count),
		cmocka_unit_test(then_what_the_kernel_lacks),
		cmocka_unit_test(not_a_cgroup),
		cmocka_unit_test(by_name_or_the_one_we_are_in),
		cmocka_unit_test(none_is_mounted),
	};

	kbpf_log();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
