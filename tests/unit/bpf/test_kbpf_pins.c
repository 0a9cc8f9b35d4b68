/* SPDX-License-Identifier: BSD-2-Clause */
/* kbpf_pins.c: the owner of the directory, what can be in it, what is removed and what stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "base/cleanup.h"
#include "bpf/kbpf_pins.h"
#include "peername.skel.h"
#include "tests/lib/child.h"
#include "tests/lib/heard.h"
#include "tests/lib/own_ns.h"

static const char *const maps[] = {"kdg_client", "kdg_coming", "kdg_peer_stats"};
#define MAPS (sizeof(maps) / sizeof(maps[0]))

static struct peername_bpf *skel;
static bool there, real_root;
static struct kbpf_pins pins;
static char why[KBPF_WHY_SIZE];
static char dir[80]; /* the directory in question, not made yet */

static int group_up(void **state)
{
	(void)state;
	kbpf_log();
	real_root = own_real_root();
	there = own_bpffs_up();
	return 0;
}

static int group_down(void **state)
{
	(void)state;
	if (there)
		own_bpffs_down();
	return 0;
}

static int up(void **state)
{
	(void)state;
	pins = (struct kbpf_pins)KBPF_PINS_NONE;
	snprintf(dir, sizeof(dir), "%s/pins", own_bpffs);
	why[0] = '\0';
	skel = peername_bpf__open(); /* libbpf pins a map at one path only, ever */
	heard_begin();
	return skel ? 0 : -1;
}

static int down(void **state)
{
	(void)state;
	kbpf_pins_close(&pins);
	peername_bpf__destroy(skel);
	heard_end();
	return there && !access(dir, F_OK); /* each test cleans up */
}

static void need_bpffs(void)
{
	if (!there)
		skip();
}

static void need_bpf(void)
{
	if (!there || !real_root)
		skip();
	if (peername_bpf__load(skel)) {
		print_message("bpf(2) is refused: nothing can be pinned\n");
		skip();
	}
}

static const char *in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static struct stat status_of(const char *path)
{
	struct stat st = {0};

	assert_int_equal(lstat(path, &st), 0);
	return st;
}

/* Opens with the object as it is loaded; fails the test unless that works. */
static void must_open(void)
{
	if (kbpf_pins_open(&pins, skel->obj, dir, "", why))
		fail_msg("%s", why);
}

static int try_open(const char *suffix)
{
	return kbpf_pins_open(&pins, skel->obj, dir, suffix, why);
}

static void assert_says(const char *part)
{
	if (!strstr(why, part))
		fail_msg("\"%s\" does not contain \"%s\"", why, part);
}

static unsigned id_of(int fd)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	return info.id;
}

static unsigned id_at(const char *path)
{
	int fd = bpf_obj_get(path);
	unsigned id = id_of(fd);

	close(fd);
	return id;
}

/* --- the directory ---------------------------------------------------------------------------- */

static void nothing_without_pins(void **state)
{
	(void)state;
	assert_int_equal(kbpf_pins_give(&pins, 12345, 12345), 0);
	kbpf_pins_close(&pins);
	kbpf_pins_close(&pins);
	assert_int_equal(pins.lock, -1);
}

static void a_name_that_is_too_long(void **state)
{
	static char longer[PATH_MAX + 1];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	assert_int_equal(kbpf_pins_open(&pins, skel->obj, longer, "", why), -ENAMETOOLONG);
	assert_says("...: too long");
	/* With the suffix only. */
	longer[PATH_MAX - 4] = '\0';
	assert_int_equal(kbpf_pins_open(&pins, skel->obj, longer, "-guard", why), -ENAMETOOLONG);
	assert_says("...: too long");
	assert_int_equal(pins.lock, -1);
}

static void not_on_a_bpffs(void **state)
{
	char name[] = "/tmp/kedge-pins-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(name));
	assert_int_equal(kbpf_pins_open(&pins, skel->obj, name, "", why), -EINVAL);
	assert_says("not on a bpffs: name a directory below /sys/fs/bpf, or --pin off");
	assert_int_equal(rmdir(name), 0); /* it was there before, and still is */
	assert_int_equal(kbpf_pins_open(&pins, skel->obj, name, "", why), -EINVAL);
	assert_int_equal(access(name, F_OK), -1); /* it was made, and is gone */
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

static void the_parent_is_missing(void **state)
{
	(void)state;
	assert_int_equal(kbpf_pins_open(&pins, skel->obj, "/nonexistent/pins", "", why), -ENOENT);
	assert_says("pin directory /nonexistent/pins: cannot make it: No such file or directory: ");
	/* Mounting one again does not help. */
	assert_says(is_bpffs("/sys/fs/bpf") ? ": make the directory above it, or --pin off"
					    : ": mount -t bpf bpf /sys/fs/bpf, or --pin off");
}

static void a_link_to_nothing(void **state)
{
	(void)state;
	need_bpffs();
	assert_int_equal(symlink("/nonexistent", dir), 0);
	assert_int_equal(try_open(""), -ENOENT);
	assert_says("it is a link to nothing: remove it");
	assert_int_equal(unlink(dir), 0);
}

static void a_link_to_somewhere_else(void **state)
{
	(void)state;
	need_bpffs();
	assert_int_equal(symlink("/tmp", dir), 0);
	assert_int_equal(try_open(""), -EINVAL);
	assert_says("not on a bpffs");
	assert_int_equal(unlink(dir), 0);
}

/* flock(2) belongs to an open file, so a second open file acts like another process. */
static void the_lock_of_another_is_respected(void **state)
{
	int other;

	(void)state;
	need_bpffs();
	assert_int_equal(mkdir(dir, 0700), 0);
	other = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(try_open(""), -EBUSY);
	assert_says("another kedge is running here (pin directory ");
	assert_says("): stop it, or give this one a --pin and a --control of its own");
	assert_int_equal(pins.lock, -1);
	assert_int_equal(access(dir, F_OK), 0);
	close(other);
	assert_int_equal(rmdir(dir), 0);
}

/* --- sweeping --------------------------------------------------------------------------------- */

/* What a dead kedge left. */
static void leave_pins(void)
{
	must_open();
	close_fdp(&pins.lock);
	free(pins.dir);
	pins = (struct kbpf_pins)KBPF_PINS_NONE;
	assert_int_equal(access(in_dir(maps[0]), F_OK), 0);
}

static void pins_of_the_dead_are_swept(void **state)
{
	(void)state;
	need_bpf();
	leave_pins();
	assert_int_equal(mkdir(in_dir("other"), 0700), 0);
	kbpf_pins_sweep(dir, "");
	for (size_t i = 0; i < MAPS; i++)
		assert_int_equal(access(in_dir(maps[i]), F_OK), -1);
	assert_int_equal(rmdir(in_dir("other")), 0); /* it is not ours */
	kbpf_pins_sweep(dir, "");
	assert_int_equal(rmdir(dir), 0); /* an empty one may have been made for a kedge to come */
}

static void the_swept_directory_goes(void **state)
{
	char parent[sizeof(dir)];

	(void)state;
	need_bpf();
	leave_pins();
	snprintf(parent, sizeof(parent), "%.*s", (int)(strlen(dir) - 1), dir);
	kbpf_pins_sweep(parent, dir + strlen(dir) - 1);
	assert_int_equal(access(dir, F_OK), -1);
	kbpf_pins_sweep(dir, ""); /* is not there */
	kbpf_pins_sweep(NULL, "-peername");
	kbpf_pins_sweep("/tmp", "");
}

static void pins_of_the_living_are_not_swept(void **state)
{
	(void)state;
	need_bpf();
	must_open();
	kbpf_pins_sweep(dir, "");
	for (size_t i = 0; i < MAPS; i++)
		assert_int_equal(access(in_dir(maps[i]), F_OK), 0);
	kbpf_pins_close(&pins);
}

/* Without a map behind it a pin cannot be made: the error names it, and all is as it was. */
static void a_pin_that_fails_leaves_nothing(void **state)
{
	(void)state;
	need_bpffs();
	assert_true(try_open("") < 0);
	assert_says("cannot pin kdg_");
	assert_int_equal(pins.lock, -1);
	assert_int_equal(access(dir, F_OK), -1);
}

static int is_refused_as_another_users(void)
{
	if (try_open("") != -EPERM)
		return 1;
	return strstr(why, "/pins: belongs to user 12345: remove it, or choose another directory")
		       ? 0
		       : 2;
}

static void a_directory_of_another_user_is_refused(void **state)
{
	(void)state;
	need_bpffs();
	if (!real_root)
		skip();
	assert_int_equal(mkdir(dir, 0777), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(chown(dir, 12345, 12345), 0);
	assert_int_equal(as_nobody(is_refused_as_another_users), 0);
	assert_int_equal(status_of(dir).st_uid, 12345);
	assert_int_equal(rmdir(dir), 0);
}

static int is_locked_out(void)
{
	if (try_open("") != -EACCES)
		return 1;
	return strstr(why, "cannot lock it: Permission denied") ? 0 : 2;
}

static void a_directory_that_we_cannot_read(void **state)
{
	(void)state;
	need_bpffs();
	if (!real_root)
		skip();
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(as_nobody(is_locked_out), 0);
	assert_int_equal(rmdir(dir), 0);
}

static int cannot_be_made(void)
{
	if (try_open("") != -EACCES)
		return 1;
	return strstr(why, "cannot make it: Permission denied: ") && strstr(why, "kedge's user") &&
			       strstr(why, "; or --pin off")
		       ? 0
		       : 2;
}

static void a_directory_that_we_cannot_make(void **state)
{
	(void)state;
	need_bpffs();
	if (!real_root)
		skip();
	assert_int_equal(as_nobody(cannot_be_made), 0);
}

/* --- pins ------------------------------------------------------------------------------------- */

static void they_come_and_go(void **state)
{
	(void)state;
	need_bpf();
	assert_int_equal(try_open("-peer"), 0);
	strcat(dir, "-peer");
	assert_int_equal(status_of(dir).st_mode & 07777, 0700);
	for (size_t i = 0; i < MAPS; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(skel->obj, maps[i]);

		assert_int_equal(id_at(in_dir(maps[i])), id_of(bpf_map__fd(map)));
	}
	/* Data sections are maps, too, but they are not pinned. */
	assert_int_equal(status_of(dir).st_nlink, 2);
	kbpf_pins_close(&pins);
	assert_int_equal(access(dir, F_OK), -1);
}

static void a_directory_that_was_there_stays(void **state)
{
	(void)state;
	need_bpf();
	assert_int_equal(mkdir(dir, 0700), 0);
	must_open();
	kbpf_pins_close(&pins);
	assert_int_equal(rmdir(dir), 0); /* it is there, and empty */
}

static void what_others_put_beside_the_pins_stays(void **state)
{
	(void)state;
	need_bpf();
	must_open();
	assert_int_equal(symlink("/nonexistent", in_dir("theirs")), 0);
	kbpf_pins_close(&pins);
	assert_int_equal(unlink(in_dir("theirs")), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* Here a directory, which unlink(2) does not take. */
static void a_pin_that_cannot_be_removed_is_named(void **state)
{
	(void)state;
	need_bpf();
	must_open();
	assert_int_equal(unlink(in_dir(maps[0])), 0);
	assert_int_equal(mkdir(in_dir(maps[0]), 0700), 0);
	kbpf_pins_close(&pins);
	assert_heard("cannot remove ");
	assert_heard(maps[0]);
	assert_int_equal(rmdir(in_dir(maps[0])), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void others_may_not_read_it_any_more(void **state)
{
	(void)state;
	need_bpf();
	assert_int_equal(mkdir(dir, 0), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	must_open();
	assert_int_equal(status_of(dir).st_mode & 07777, 0751);
	assert_heard("no longer readable by everybody, who could hold its lock");
	kbpf_pins_close(&pins);
	assert_int_equal(rmdir(dir), 0);
}

/* A kedge that became this user left it. The user may still have processes. */
static void root_takes_a_directory_back(void **state)
{
	(void)state;
	need_bpf();
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(chown(dir, 12345, 12345), 0);
	must_open();
	assert_int_equal(status_of(dir).st_uid, 0);
	kbpf_pins_close(&pins);
	assert_int_equal(rmdir(dir), 0);
}

static void a_pin_instead_of_the_directory(void **state)
{
	int map;

	(void)state;
	need_bpf();
	map = bpf_map_create(BPF_MAP_TYPE_HASH, "other", 4, 4, 1, NULL);
	assert_int_equal(bpf_obj_pin(map, dir), 0);
	assert_int_equal(try_open(""), -ENOTDIR);
	assert_says("cannot lock it: Not a directory: remove it, or choose another name");
	assert_int_equal(unlink(dir), 0);
	close(map);
}

/* A map of another type and size, a link to a file, a link to nothing. */
static void what_has_the_name_of_a_pin_is_replaced(void **state)
{
	char file[] = "/tmp/kedge-pins-XXXXXX", path[256];
	int other, fd;

	(void)state;
	need_bpf();
	fd = mkstemp(file);
	assert_int_equal(mkdir(dir, 0700), 0);
	other = bpf_map_create(BPF_MAP_TYPE_HASH, "kdg_client", 4, 4, 1, NULL);
	assert_int_equal(bpf_obj_pin(other, in_dir(maps[0])), 0);
	assert_int_equal(symlink(file, in_dir(maps[1])), 0);
	assert_int_equal(symlink("/nonexistent", in_dir(maps[2])), 0);
	must_open();
	for (size_t i = 0; i < MAPS; i++) {
		snprintf(path, sizeof(path), "%s", in_dir(maps[i]));
		assert_true(S_ISREG(status_of(path).st_mode));
		assert_int_equal(
			id_at(path),
			id_of(bpf_map__fd(bpf_object__find_map_by_name(skel->obj, maps[i]))));
	}
	assert_int_equal(access(file, F_OK), 0);
	kbpf_pins_close(&pins);
	assert_int_equal(rmdir(dir), 0);
	close(other);
	close(fd);
	unlink(file);
}

static void a_directory_with_the_name_of_a_pin(void **state)
{
	(void)state;
	need_bpf();
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(mkdir(in_dir("kdg_coming"), 0700), 0);
	assert_int_equal(try_open(""), -EISDIR);
	assert_says(
		"cannot pin kdg_coming: Is a directory: something else has this name: remove it, "
		"or choose another directory");
	for (size_t i = 0; i < MAPS; i++)
		assert_int_equal(access(in_dir(maps[i]), F_OK) == 0,
				 !strcmp(maps[i], "kdg_coming"));
	assert_int_equal(rmdir(in_dir("kdg_coming")), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void they_are_given_away(void **state)
{
	(void)state;
	need_bpf();
	must_open();
	assert_int_equal(kbpf_pins_give(&pins, 12345, 23456), 0);
	for (size_t i = 0; i < MAPS; i++) {
		assert_int_equal(status_of(in_dir(maps[i])).st_uid, 12345);
		assert_int_equal(status_of(in_dir(maps[i])).st_gid, 23456);
	}
	assert_int_equal(status_of(dir).st_uid, 12345);
	kbpf_pins_close(&pins);
}

/* A user who can write to the directory must not become the owner of another file. */
static void a_link_in_the_place_of_a_pin_is_not_followed(void **state)
{
	char file[] = "/tmp/kedge-pins-XXXXXX";
	int fd;

	(void)state;
	need_bpf();
	fd = mkstemp(file);
	must_open();
	assert_int_equal(unlink(in_dir("kdg_coming")), 0);
	assert_int_equal(symlink(file, in_dir("kdg_coming")), 0);
	assert_int_equal(kbpf_pins_give(&pins, 12345, 12345), 0);
	assert_int_equal(status_of(file).st_uid, 0);
	kbpf_pins_close(&pins);
	assert_int_equal(access(file, F_OK), 0);
	close(fd);
	unlink(file);
}

static void a_pin_that_was_removed_cannot_be_given(void **state)
{
	(void)state;
	need_bpf();
	must_open();
	assert_int_equal(unlink(in_dir("kdg_coming")), 0);
	assert_int_equal(kbpf_pins_give(&pins, 12345, 12345), -ENOENT);
	assert_int_equal(status_of(dir).st_uid, 0); /* the directory comes last */
	kbpf_pins_close(&pins);
}

/* --- the mount -------------------------------------------------------------------------------- */

/* In the mount namespace of this test: nobody else loses a mount. */
static void a_bpffs_is_mounted_where_it_belongs(void **state)
{
	(void)state;
	need_bpffs();
	if (!real_root || access("/sys/fs/bpf", F_OK))
		skip();
	while (is_bpffs("/sys/fs/bpf"))
		assert_int_equal(umount2("/sys/fs/bpf", MNT_DETACH), 0);
	kbpf_mount("/sys/fs/bpfother");
	kbpf_mount("/sys/fs/bp");
	kbpf_mount("/tmp/sys/fs/bpf");
	assert_false(is_bpffs("/sys/fs/bpf"));
	kbpf_mount("/sys/fs/bpf/kedge");
	assert_true(is_bpffs("/sys/fs/bpf"));
	assert_int_equal(status_of("/sys/fs/bpf").st_mode & 07777, 01700);
	/* Not twice. */
	kbpf_mount("/sys/fs/bpf");
	assert_int_equal(umount2("/sys/fs/bpf", MNT_DETACH), 0);
	assert_false(is_bpffs("/sys/fs/bpf"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_without_pins),
		TEST(a_name_that_is_too_long),
		TEST(not_on_a_bpffs),
		TEST(the_parent_is_missing),
		TEST(a_link_to_nothing),
		TEST(a_link_to_somewhere_else),
		TEST(the_lock_of_another_is_respected),
		TEST(pins_of_the_dead_are_swept),
		TEST(the_swept_directory_goes),
		TEST(pins_of_the_living_are_not_swept),
		TEST(a_pin_that_fails_leaves_nothing),
		TEST(a_directory_of_another_user_is_refused),
		TEST(a_directory_that_we_cannot_read),
		TEST(a_directory_that_we_cannot_make),
		TEST(they_come_and_go),
		TEST(a_directory_that_was_there_stays),
		TEST(what_others_put_beside_the_pins_stays),
		TEST(a_pin_that_cannot_be_removed_is_named),
		TEST(others_may_not_read_it_any_more),
		TEST(root_takes_a_directory_back),
		TEST(a_pin_instead_of_the_directory),
		TEST(what_has_the_name_of_a_pin_is_replaced),
		TEST(a_directory_with_the_name_of_a_pin),
		TEST(they_are_given_away),
		TEST(a_link_in_the_place_of_a_pin_is_not_followed),
		TEST(a_pin_that_was_removed_cannot_be_given),
		TEST(a_bpffs_is_mounted_where_it_belongs),
	};

	return cmocka_run_group_tests(tests, group_up, group_down);
}
