/* SPDX-License-Identifier: BSD-2-Clause */
#include "own_ns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

char own_bpffs[64];

static bool in_user_namespace;

bool own_real_root(void)
{
	return geteuid() == 0 && !in_user_namespace;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A user namespace whose root we are. */
static bool become_root(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[32];

	if (unshare(CLONE_NEWUSER) || !write_file("/proc/self/setgroups", "deny"))
		return false;
	in_user_namespace = true;
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (!write_file("/proc/self/uid_map", map))
		return false;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	return write_file("/proc/self/gid_map", map);
}

static bool no(const char *what)
{
	printf("no namespace of our own: %s: %s\n", what, strerror(errno));
	return false;
}

bool own_bpffs_up(void)
{
	if (geteuid() && !become_root())
		return no("user namespace");
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return no("mount namespace");
	strcpy(own_bpffs, "/tmp/kedge-bpffs-XXXXXX");
	if (!mkdtemp(own_bpffs))
		return no(own_bpffs);
	if (mount("bpf", own_bpffs, "bpf", 0, "mode=0755")) {
		no("mount");
		rmdir(own_bpffs);
		return false;
	}
	return true;
}

void own_bpffs_down(void)
{
	umount2(own_bpffs, MNT_DETACH);
	rmdir(own_bpffs);
}

bool own_ip(const char *args)
{
	char command[256];

	snprintf(command, sizeof(command), "ip %s >/dev/null 2>&1", args);
	return system(command) == 0;
}

bool own_net_up(void)
{
	if (geteuid() && !become_root())
		return no("user namespace");
	if (unshare(CLONE_NEWNET))
		return no("network namespace");
	return own_ip("link set lo up") || no("ip link");
}
