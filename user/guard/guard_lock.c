/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks of living guards. See guard_lock.h. */
#include "guard/guard_lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bpf/kbpf_host.h"
#include "bpf/kbpf_pins.h"
#include "base/cleanup.h"

/* How long two kedges that start at the same time wait for each other. */
#define START_TRIES 100
#define START_MS    100

#define DIRECTORY "kedge-guard-lock"

/* A process may remove a directory that another one is about to lock. */
#define TRIES 10

/* Where libxdp has its pins (libxdp(3)). */
static const char *bpffs(void)
{
	const char *dir = getenv("LIBXDP_BPFFS");

	return dir ? dir : "/sys/fs/bpf";
}

/* The directory of all locks. */
static int open_all(void)
{
	_cleanup_(close_fdp)
	int fs = -1;
	_cleanup_(close_fdp)
	int fd = -1;
	struct stat st;

	kbpf_mount(bpffs());
	fs = open(bpffs(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs < 0)
		return -errno;
	if (mkdirat(fs, DIRECTORY, 0700) < 0 && errno != EEXIST && errno != EROFS)
		return -errno;
	fd = openat(fs, DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	/* Another user could hold our locks if the directory is his, or if he can read it. */
	if (st.st_mode & 077 || (st.st_uid != geteuid() && st.st_uid != 0))
		return -EPERM;
	return take_fd(fd);
}

static bool is_at(int fd, int all, const char *name)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(all, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* -ESTALE: another process has removed it. */
static int lock_once(int all, const char *name)
{
	_cleanup_(close_fdp)
	int fd = -1;

	if (mkdirat(all, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(all, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
	return is_at(fd, all, name) ? take_fd(fd) : -ESTALE;
}

int guard_lock(unsigned id)
{
	_cleanup_(close_fdp)
	int all = open_all();
	char name[16];
	int fd = -ESTALE;

	if (all < 0)
		return all;
	snprintf(name, sizeof(name), "%u", id);
	for (int i = 0; i < TRIES && fd == -ESTALE; i++)
		fd = lock_once(all, name);
	return fd;
}

/* Removes it if nobody holds it. */
static void remove_free(int all, const char *name)
{
	_cleanup_(close_fdp)
	int fd = lock_once(all, name);

	if (fd >= 0)
		unlinkat(all, name, AT_REMOVEDIR);
}

void guard_unlock(int *fd, unsigned id)
{
	char path[PATH_MAX];

	if (*fd < 0)
		return;
	/* By its path, as the seccomp filter allows. Another user cannot: a later sweep does. */
	if ((size_t)snprintf(path, sizeof(path), "%s/" DIRECTORY "/%u", bpffs(), id) < sizeof(path))
		rmdir(path);
	close(*fd);
	*fd = -1;
}

void guard_lock_sweep(void)
{
	int all = open_all();
	DIR *dir = all < 0 ? NULL : fdopendir(all);
	const struct dirent *e;

	if (!dir) {
		close_fdp(&all);
		return;
	}
	while ((e = readdir(dir)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			remove_free(dirfd(dir), e->d_name);
	closedir(dir);
}

int guard_lock_start(char why[KBPF_WHY_SIZE])
{
	const struct timespec pause = {.tv_nsec = START_MS * 1000000L};
	char lacks[KBPF_WHY_SIZE];
	int fd = -EADDRINUSE;

	for (int i = 0; i < START_TRIES && fd == -EADDRINUSE; i++) {
		if (i)
			nanosleep(&pause, NULL);
		fd = guard_lock(GUARD_LOCK_START);
	}
	if (fd == -EADDRINUSE)
		return kbpf_why(why, fd, "another kedge is starting: try again");
	if (fd < 0) {
		snprintf(lacks, sizeof(lacks),
			 "its locks (kedge-guard-lock on /sys/fs/bpf): %s: run as root, with a "
			 "bpffs that may be written to",
			 strerror(-fd));
		return kbpf_load_why(fd, lacks, why);
	}
	guard_lock_sweep();
	return fd;
}
