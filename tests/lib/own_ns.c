/* SPDX-License-Identifier: BSD-2-Clause */
#include "own_ns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

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

bool own_user_root(void)
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
	if (geteuid() && !own_user_root())
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
	if (geteuid() && !own_user_root())
		return no("user namespace");
	if (unshare(CLONE_NEWNET))
		return no("network namespace");
	return own_ip("link set lo up") || no("ip link");
}

/* --- cgroups ---------------------------------------------------------------------------------- */

static char cgroup_root[128], cgroup[192];

/* The mount point of the first cgroup2. */
static bool find_cgroup_root(void)
{
	FILE *f = fopen("/proc/self/mounts", "re");
	char type[32];
	bool found = false;

	while (f && !found && fscanf(f, "%*s %127s %31s %*[^\n]", cgroup_root, type) == 2)
		found = !strcmp(type, "cgroup2");
	if (f)
		fclose(f);
	return found;
}

const char *own_cgroup_up(void)
{
	if (!find_cgroup_root()) {
		printf("no cgroup of our own: no cgroup v2 is mounted\n");
		return NULL;
	}
	snprintf(cgroup, sizeof(cgroup), "%s/kedge-unit-%d", cgroup_root, (int)getpid());
	if (mkdir(cgroup, 0755)) {
		printf("no cgroup of our own: %s: %s\n", cgroup, strerror(errno));
		return NULL;
	}
	return cgroup;
}

bool own_cgroup_enter(const char *path)
{
	char procs[256], pid[16];

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path ? path : cgroup_root);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	return write_file(procs, pid);
}

void own_cgroup_down(void)
{
	rmdir(cgroup);
}

/* --- system calls ----------------------------------------------------------------------------- */

bool own_bpf_forbid(int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}
