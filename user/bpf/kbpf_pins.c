/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the BPF objects are pinned: the directory, its file system, and who may use it. */
#include "bpf/kbpf_private.h"

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
#include "base/log.h"

#define BPFFS "/sys/fs/bpf"

/* A kedge that ends removes the directory that another one is about to lock. */
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

/* Whoever can open a directory can lock it: nobody else shall. */
static void close_to_others(const char *dir, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !(st.st_mode & S_IROTH))
		return;
	if (fchmod(fd, st.st_mode & 07777 & ~(mode_t)S_IROTH) == 0)
		log_info("pin directory %s: no longer readable by everybody, who could hold its "
			 "lock",
			 dir);
}

static bool is_at(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/*
 * flock(2) on the directory: gone with the last process that has it open, whatever kills that, in
 * every network namespace, and only who may read the directory can take it. -EBUSY: somebody has;
 * -ESTALE: it was removed meanwhile, by a kedge that ended.
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
	close_to_others(dir, fd);
	return take_fd(fd);
}

/* Makes the directory if it is missing, and locks it. */
static int claim_once(struct kbpf_pins *claimed, const char *dir, char why[BPF_WHY_SIZE])
{
	if (mkdir(dir, 0700) == 0)
		claimed->made = true;
	else if (errno == EROFS || errno == ENOENT)
		return kbpf_why(
			why, -errno,
			"pin directory %s: cannot make it: %s: mount -t bpf bpf %s, or --pin "
			"off",
			dir, strerror(errno), BPFFS);
	else if (errno != EEXIST)
		return kbpf_why(why, -errno, "pin directory %s: cannot make it: %s", dir,
				strerror(errno));
	claimed->dir = realpath(dir, NULL);
	if (!claimed->dir)
		return kbpf_why(why, -errno, "pin directory %s: %s", dir, strerror(errno));
	if (!on_bpffs(claimed->dir))
		return kbpf_why(why, -EINVAL,
				"pin directory %s: not on a bpffs: name a directory below %s, or "
				"--pin off",
				dir, BPFFS);
	claimed->lock = lock_dir(claimed->dir);
	if (claimed->lock == -EBUSY)
		return kbpf_why(why, -EBUSY,
				"pin directory %s: another kedge lives there: "
				"stop it, or choose another directory",
				dir);
	if (claimed->lock < 0)
		return kbpf_why(why, claimed->lock, "pin directory %s: cannot lock it: %s", dir,
				strerror(-claimed->lock));
	claimed->fd = open(claimed->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (claimed->fd < 0)
		return kbpf_why(why, -errno, "pin directory %s: %s", dir, strerror(errno));
	return 0;
}

int kbpf_pins_claim(struct kbpf_pins *pins, const char *dir, char why[BPF_WHY_SIZE])
{
	struct kbpf_pins claimed;
	int err = -ESTALE;

	kbpf_mount(dir);
	for (int tries = 0; err == -ESTALE && tries < CLAIM_TRIES; tries++) {
		claimed = (struct kbpf_pins)BPF_PINS_NONE;
		err = claim_once(&claimed, dir, why);
		if (!err)
			*pins = claimed;
		else
			kbpf_pins_release(&claimed);
	}
	return err;
}

int kbpf_pins_clear(const struct kbpf_pins *pins, const char *name, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s/%s", pins->dir, name);

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	if (unlinkat(pins->fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

int kbpf_pins_give(const struct kbpf_pins *pins, const char *name, uid_t uid, gid_t gid)
{
	if (fchownat(pins->fd, name ? name : "", uid, gid, name ? 0 : AT_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

static bool is_pinned(const struct bpf_map *map)
{
	return !strncmp(bpf_map__name(map), "kdg_", 4);
}

int kbpf_pins_maps(const struct kbpf_pins *pins, struct bpf_object *obj, char why[BPF_WHY_SIZE])
{
	char path[PATH_MAX];
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		int err;

		if (!is_pinned(map))
			continue;
		err = kbpf_pins_clear(pins, bpf_map__name(map), path, sizeof(path));
		if (!err)
			err = bpf_map__pin(map, path);
		if (err)
			return kbpf_why(why, err, "pin directory %s: cannot pin %s: %s", pins->dir,
					bpf_map__name(map), strerror(-err));
	}
	return 0;
}

void kbpf_pins_clear_maps(const struct kbpf_pins *pins, struct bpf_object *obj)
{
	char path[PATH_MAX];
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		if (is_pinned(map))
			kbpf_pins_clear(pins, bpf_map__name(map), path, sizeof(path));
	}
}

int kbpf_pins_give_maps(const struct kbpf_pins *pins, struct bpf_object *obj, uid_t uid, gid_t gid)
{
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, obj) {
		if (!err && is_pinned(map))
			err = kbpf_pins_give(pins, bpf_map__name(map), uid, gid);
	}
	return err;
}

void kbpf_pins_release(struct kbpf_pins *pins)
{
	if (pins->made && pins->dir && pins->lock != -EBUSY)
		rmdir(pins->dir); /* not empty, or we are another user by now: it stays */
	close_fdp(&pins->fd);
	if (pins->lock >= 0)
		close(pins->lock);
	free(pins->dir);
	*pins = (struct kbpf_pins)BPF_PINS_NONE;
}
