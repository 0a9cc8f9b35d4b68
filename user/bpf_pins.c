/* Where the BPF objects are pinned: the directory, its file system, and who may use it. */
#include "bpf_private.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/magic.h>

#include "cleanup.h"

#define BPFFS "/sys/fs/bpf"

static bool on_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

/* The usual place is mounted by systemd; without it, by us. */
static void mount_bpffs(const char *dir)
{
	size_t n = strlen(BPFFS);

	if (strncmp(dir, BPFFS, n) || (dir[n] && dir[n] != '/') || on_bpffs(BPFFS))
		return;
	mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME, "mode=0700");
}

/*
 * An abstract socket is a lock that dies with its process, whatever kills it, and leaves nothing in
 * the bpffs, which holds no files of other kinds.
 */
static int lock_dir(const char *dir)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	_cleanup_(close_fdp)
	int fd = -1;
	int n;

	n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "kedge:%s", dir);
	if (n < 0 || (size_t)n >= sizeof(name.sun_path) - 1)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&name,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) < 0)
		return -errno;
	return take_fd(fd);
}

int bpf_pins_claim(struct bpf_pins *pins, const char *dir, char why[BPF_WHY_SIZE])
{
	struct bpf_pins claimed = BPF_PINS_NONE;

	mount_bpffs(dir);
	if (mkdir(dir, 0700) == 0)
		claimed.made = true;
	else if (errno != EEXIST)
		return bpf_why(why, -errno, "pin directory %s: cannot make it: %s", dir,
			       strerror(errno));
	claimed.dir = realpath(dir, NULL);
	if (!claimed.dir)
		return bpf_why(why, -errno, "pin directory %s: %s", dir, strerror(errno));
	claimed.fd = open(claimed.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (claimed.fd < 0) {
		int err = -errno;

		bpf_pins_release(&claimed);
		return bpf_why(why, err, "pin directory %s: %s", dir, strerror(-err));
	}
	claimed.lock = lock_dir(claimed.dir);
	if (claimed.lock < 0) {
		int err = claimed.lock;

		bpf_pins_release(&claimed);
		if (err == -EADDRINUSE)
			return bpf_why(why, -EBUSY,
				       "pin directory %s: another kedge lives there: "
				       "stop it, or choose another directory",
				       dir);
		return bpf_why(why, err, "pin directory %s: cannot lock it: %s", dir,
			       strerror(-err));
	}
	if (!on_bpffs(claimed.dir)) {
		bpf_pins_release(&claimed);
		return bpf_why(why, -EINVAL,
			       "pin directory %s: not on a bpffs: mount -t bpf bpf %s", dir, BPFFS);
	}
	*pins = claimed;
	return 0;
}

int bpf_pins_clear(const struct bpf_pins *pins, const char *name, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s/%s", pins->dir, name);

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	if (unlinkat(pins->fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

int bpf_pins_give(const struct bpf_pins *pins, const char *name, uid_t uid, gid_t gid)
{
	if (fchownat(pins->fd, name ? name : "", uid, gid, name ? 0 : AT_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

static bool is_pinned(const struct bpf_map *map)
{
	return !strncmp(bpf_map__name(map), "kdg_", 4);
}

int bpf_pins_maps(const struct bpf_pins *pins, struct bpf_object *obj, char why[BPF_WHY_SIZE])
{
	char path[PATH_MAX];
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
	{
		int err;

		if (!is_pinned(map))
			continue;
		err = bpf_pins_clear(pins, bpf_map__name(map), path, sizeof(path));
		if (!err)
			err = bpf_map__pin(map, path);
		if (err)
			return bpf_why(why, err, "pin directory %s: cannot pin %s: %s", pins->dir,
				       bpf_map__name(map), strerror(-err));
	}
	return 0;
}

void bpf_pins_clear_maps(const struct bpf_pins *pins, struct bpf_object *obj)
{
	char path[PATH_MAX];
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
	{
		if (is_pinned(map))
			bpf_pins_clear(pins, bpf_map__name(map), path, sizeof(path));
	}
}

int bpf_pins_give_maps(const struct bpf_pins *pins, struct bpf_object *obj, uid_t uid, gid_t gid)
{
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, obj)
	{
		if (!err && is_pinned(map))
			err = bpf_pins_give(pins, bpf_map__name(map), uid, gid);
	}
	return err;
}

void bpf_pins_release(struct bpf_pins *pins)
{
	if (pins->made)
		rmdir(pins->dir); /* not empty, or we are another user by now: it stays */
	close_fdp(&pins->fd);
	if (pins->lock >= 0)
		close(pins->lock);
	free(pins->dir);
	*pins = (struct bpf_pins)BPF_PINS_NONE;
}
