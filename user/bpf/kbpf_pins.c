/* SPDX-License-Identifier: BSD-2-Clause */
/* The directory of pins: its file system, its lock, its owner, its content. See kbpf_pins.h. */
#include "bpf/kbpf_pins.h"

#include <bpf/libbpf.h>
#include <dirent.h>
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
#include "base/log.h"

#define BPFFS "/sys/fs/bpf"

/* A kedge that ends may remove a directory that another one is about to lock. */
#define CLAIM_TRIES 10

static bool on_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

void kbpf_mount(const char *dir)
{
	size_t n = strlen(BPFFS);

	if (strncmp(dir, BPFFS, n) || (dir[n] && dir[n] != '/') || on_bpffs(BPFFS))
		return;
	mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME, "mode=0700");
}

/* Whoever can open a directory can lock it. */
static void close_to_others(const char *dir, int fd, const struct stat *st)
{
	if (!(st->st_mode & S_IROTH))
		return;
	if (fchmod(fd, st->st_mode & 07777 & ~(mode_t)S_IROTH) == 0)
		log_info("pin directory %s: no longer readable by everybody, "
			 "who could hold its lock",
			 dir);
}

/*
 * The owner of a directory can put a link to any file in the place of a pin. A kedge that became
 * another user and died leaves a directory of that user, so root takes it back.
 */
static int make_ours(const char *dir, int fd, char why[KBPF_WHY_SIZE])
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return kbpf_why(why, -errno, "pin directory %s: %s", dir, strerror(errno));
	if (st.st_uid != 0 && st.st_uid != geteuid() && fchown(fd, geteuid(), (gid_t)-1) < 0)
		return kbpf_why(why, -EPERM,
				"pin directory %s: belongs to user %u: remove it, "
				"or choose another directory",
				dir, st.st_uid);
	close_to_others(dir, fd, &st);
	return 0;
}

static bool is_at(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/*
 * Locks the directory with flock(2). The kernel releases the lock with the last process that has it
 * open, however that process ends. -EBUSY: another process holds it; -ESTALE: a kedge that ended
 * has removed the directory.
 */
static int lock_dir(const char *dir)
{
	_cleanup_(close_fdp)
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (!is_at(fd, dir))
		return -ESTALE;
	return take_fd(fd);
}

static int cannot_make(const char *dir, int err, char why[KBPF_WHY_SIZE])
{
	const char *what = "";

	if (err == ENOENT && on_bpffs(BPFFS))
		what = ": make the directory above it, or --pin off";
	else if (err == EROFS || err == ENOENT)
		what = ": mount -t bpf bpf " BPFFS ", or --pin off";
	else if ((err == EACCES || err == EPERM) && access(BPFFS, X_OK) < 0)
		what = ": only root may enter " BPFFS ": make it for kedge's user, and grant "
		       "CAP_DAC_READ_SEARCH; or --pin off";
	else if (err == EACCES || err == EPERM)
		what = ": as root, make it for kedge's user; or --pin off";
	return kbpf_why(why, -err, "pin directory %s: cannot make it: %s%s", dir, strerror(err),
			what);
}

/* Makes the directory if it is missing, and locks it. */
static int claim_once(struct kbpf_pins *claimed, const char *dir, char why[KBPF_WHY_SIZE])
{
	if (mkdir(dir, 0700) == 0)
		claimed->made = true;
	else if (errno != EEXIST)
		return cannot_make(dir, errno, why);
	claimed->dir = realpath(dir, NULL);
	if (!claimed->dir) {
		int err = errno;

		if (claimed->made)
			rmdir(dir);
		return kbpf_why(why, -err, "pin directory %s: %s%s", dir, strerror(err),
				err == ENOENT ? ": it is a link to nothing: remove it" : "");
	}
	if (!on_bpffs(claimed->dir))
		return kbpf_why(why, -EINVAL,
				"pin directory %s: not on a bpffs: name a directory below %s, or "
				"--pin off",
				dir, BPFFS);
	claimed->lock = lock_dir(claimed->dir);
	if (claimed->lock == -EBUSY)
		return kbpf_why(why, -EBUSY,
				"another kedge is running here (pin directory %s): stop it, or "
				"give this one a --pin and a --control of its own",
				dir);
	if (claimed->lock < 0)
		return kbpf_why(why, claimed->lock, "pin directory %s: cannot lock it: %s%s", dir,
				strerror(-claimed->lock),
				claimed->lock == -ENOTDIR ? ": remove it, or choose another name"
							  : "");
	return make_ours(dir, claimed->lock, why);
}

static void release(struct kbpf_pins *pins)
{
	if (pins->made && pins->dir && pins->lock != -EBUSY)
		rmdir(pins->dir); /* stays if it is not empty, or if we are another user by now */
	close_fdp(&pins->lock);
	free(pins->dir);
	*pins = (struct kbpf_pins)KBPF_PINS_NONE;
}

static int claim(struct kbpf_pins *pins, const char *dir, char why[KBPF_WHY_SIZE])
{
	int err = -ESTALE;

	kbpf_mount(dir);
	for (int tries = 0; err == -ESTALE && tries < CLAIM_TRIES; tries++) {
		struct kbpf_pins claimed = KBPF_PINS_NONE;

		err = claim_once(&claimed, dir, why);
		if (!err)
			*pins = claimed;
		else
			release(&claimed);
	}
	return err;
}

/* --- what is pinned --------------------------------------------------------------------------- */

static bool is_pinned(const struct bpf_map *map)
{
	return !strncmp(bpf_map__name(map), "kdg_", 4);
}

static int remove_pin(const struct kbpf_pins *pins, const char *name)
{
	return unlinkat(pins->lock, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Removes whatever has this name, and writes its path to buf. */
static int make_room(const struct kbpf_pins *pins, const char *name, char buf[PATH_MAX])
{
	int n = snprintf(buf, PATH_MAX, "%s/%s", pins->dir, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : remove_pin(pins, name);
}

static int pin_why(const struct kbpf_pins *pins, const char *name, int err, char why[KBPF_WHY_SIZE])
{
	const char *next = "";

	if (err == -EISDIR || err == -EEXIST)
		next = ": something else has this name: remove it, or choose another directory";
	else if (err == -EACCES || err == -EPERM)
		next = ": give the directory to the user that kedge runs as, or choose another";
	return kbpf_why(why, err, "pin directory %s: cannot pin %s: %s%s", pins->dir, name,
			strerror(-err), next);
}

static int pin_maps(struct kbpf_pins *pins, char why[KBPF_WHY_SIZE])
{
	char path[PATH_MAX];
	struct bpf_map *map;

	/* Once a link was pinned by this name. A kedge that was killed has left it attached. */
	remove_pin(pins, "kdg_sockops");

	bpf_object__for_each_map(map, pins->obj) {
		int err;

		if (!is_pinned(map))
			continue;
		err = make_room(pins, bpf_map__name(map), path);
		if (!err)
			err = bpf_map__pin(map, path);
		if (err)
			return pin_why(pins, bpf_map__name(map), err, why);
	}
	return 0;
}

int kbpf_pins_open(struct kbpf_pins *pins, struct bpf_object *obj, const char *dir,
		   const char *suffix, char why[KBPF_WHY_SIZE])
{
	char whole[PATH_MAX];
	int err;

	if ((size_t)snprintf(whole, sizeof(whole), "%s%s", dir, suffix) >= sizeof(whole))
		return kbpf_why(why, -ENAMETOOLONG, "pin directory %.100s...: too long", dir);
	err = claim(pins, whole, why);
	if (err)
		return err;
	pins->obj = obj;
	err = pin_maps(pins, why);
	if (err)
		kbpf_pins_close(pins);
	return err;
}

static int give(const struct kbpf_pins *pins, const char *name, uid_t uid, gid_t gid)
{
	return fchownat(pins->lock, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* The directory comes last: its new owner can change what is in it. */
int kbpf_pins_give(const struct kbpf_pins *pins, uid_t uid, gid_t gid)
{
	struct bpf_map *map;
	int err = 0;

	if (pins->lock < 0)
		return 0;
	bpf_object__for_each_map(map, pins->obj) {
		if (!err && is_pinned(map))
			err = give(pins, bpf_map__name(map), uid, gid);
	}
	if (!err && fchownat(pins->lock, "", uid, gid, AT_EMPTY_PATH) < 0)
		err = -errno;
	return err;
}

void kbpf_pins_close(struct kbpf_pins *pins)
{
	struct bpf_map *map;

	if (pins->lock < 0)
		return;
	bpf_object__for_each_map(map, pins->obj) {
		int err = is_pinned(map) ? remove_pin(pins, bpf_map__name(map)) : 0;

		if (err)
			log_warn("pin directory %s: cannot remove %s: %s: remove it by hand, or "
				 "the next kedge there will",
				 pins->dir, bpf_map__name(map), strerror(-err));
	}
	release(pins);
}

/* Removes only what has the name of a pin. True if there was any. */
static bool sweep(int fd)
{
	_cleanup_(close_fdp)
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *e;
	bool any = false;

	if (!list)
		return false;
	(void)take_fd(copy); /* closedir() closes it */
	while ((e = readdir(list)))
		if (!strncmp(e->d_name, "kdg_", 4))
			any |= unlinkat(fd, e->d_name, 0) == 0;
	closedir(list);
	return any;
}

void kbpf_pins_sweep(const char *dir, const char *suffix)
{
	char whole[PATH_MAX];
	_cleanup_(close_fdp)
	int fd = -1;
	struct stat st;

	if (!dir || (size_t)snprintf(whole, sizeof(whole), "%s%s", dir, suffix) >= sizeof(whole) ||
	    !on_bpffs(whole))
		return;
	fd = lock_dir(whole);
	if (fd < 0 || !sweep(fd))
		return;
	/* One that is another user's was made for that user. */
	if (fstat(fd, &st) == 0 && st.st_uid == geteuid())
		rmdir(whole);
}
