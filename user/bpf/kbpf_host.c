/* SPDX-License-Identifier: BSD-2-Clause */
/* Capabilities, cgroups, and why BPF is refused. See kbpf_host.h. */
#include "bpf/kbpf_host.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/statfs.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/magic.h>

#include "base/cleanup.h"
#include "base/log.h"

int kbpf_why(char why[KBPF_WHY_SIZE], int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, KBPF_WHY_SIZE, fmt, ap);
	va_end(ap);
	return err;
}

static int log_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level != LIBBPF_DEBUG)
		log_vemit(LOG_LEVEL_DEBUG, 0, fmt, ap);
	return 0;
}

void kbpf_log(void)
{
	libbpf_set_print(log_libbpf);
}

void kbpf_missing_caps(char *buf, size_t size)
{
	static const struct {
		unsigned bit;
		const char *name;
	} needed[] = {{CAP_BPF, "CAP_BPF"},
		      {CAP_NET_ADMIN, "CAP_NET_ADMIN"},
		      {CAP_PERFMON, "CAP_PERFMON"}};
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	uint64_t have;
	size_t len = 0;

	buf[0] = '\0';
	if (syscall(SYS_capget, &head, data) < 0)
		return;
	have = data[0].effective | (uint64_t)data[1].effective << 32;
	if (have >> CAP_SYS_ADMIN & 1)
		have |= 1ULL << CAP_BPF | 1ULL << CAP_PERFMON;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		int n;

		if (have >> needed[i].bit & 1)
			continue;
		n = snprintf(buf + len, size - len, "%s%s", len ? ", " : "", needed[i].name);
		if (n < 0 || (size_t)n >= size - len)
			return;
		len += (size_t)n;
	}
}

/* The rest of the first line in a file of /proc that begins with `name`; "" if there is none. */
static void proc_line(char *buf, int size, const char *path, const char *name)
{
	_cleanup_(fclosep)
	FILE *f = fopen(path, "re");
	size_t n = strlen(name);

	while (f && fgets(buf, size, f)) {
		if (strncmp(buf, name, n))
			continue;
		memmove(buf, buf + n, strlen(buf + n) + 1);
		return;
	}
	buf[0] = '\0';
}

static bool is_filtered(void)
{
	char mode[64];

	proc_line(mode, sizeof(mode), "/proc/self/status", "Seccomp:");
	return strchr(mode, '2') != NULL;
}

/* bpf(2) does not accept the capabilities of a user namespace. */
static bool is_in_user_namespace(void)
{
	char map[64];
	unsigned long long inside, outside, count;

	proc_line(map, sizeof(map), "/proc/self/uid_map", "");
	return sscanf(map, "%llu %llu %llu", &inside, &outside, &count) == 3 && count < UINT32_MAX;
}

/*
 * Says what refuses bpf(2) as a whole, although we have the capabilities. The test is a command
 * that no kernel knows: if bpf(2) is allowed, it fails with EINVAL. NULL: nothing refuses.
 */
static const char *refused_by(void)
{
	char attr[128] = "";
	int err = syscall(SYS_bpf, -1, attr, sizeof(attr)) < 0 ? errno : 0;
	bool refused = err == EPERM || err == ENOSYS;

	if (refused && is_filtered())
		return "BPF programs refused: a seccomp filter forbids bpf(2): allow it in the "
		       "profile of the container, or in SystemCallFilter= of the unit";
	if (err == ENOSYS)
		return "BPF programs refused: this kernel has no "
		       "bpf(2): it needs CONFIG_BPF_SYSCALL";
	/* Before Linux 5.19 the kernel may refuse all commands here, later only some. */
	if (is_in_user_namespace())
		return "BPF programs refused: the capabilities are those of a user namespace, "
		       "which bpf(2) does not take: run outside of it";
	if (refused)
		return "BPF programs refused: a security module forbids bpf(2): its denial is in "
		       "dmesg or the audit log";
	return NULL;
}

int kbpf_load_why(int err, const char *lacks, char why[KBPF_WHY_SIZE])
{
	const char *refused;
	char caps[80];

	kbpf_missing_caps(caps, sizeof(caps));
	if (caps[0])
		return kbpf_why(why, err, "BPF programs refused: no %s: run as root, or grant them",
				caps);
	refused = refused_by();
	if (refused)
		return kbpf_why(why, err, "%s", refused);
	if (lacks)
		return kbpf_why(why, err, "%s", lacks);
	return kbpf_why(why, err,
			"BPF programs refused: %s: --log-level debug shows the verifier's words",
			strerror(-err));
}

/* The mount point of the first cgroup2 in /proc/self/mountinfo (proc(5)). */
static bool cgroup_mount(char *buf, size_t size)
{
	_cleanup_(fclosep)
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096], point[PATH_MAX];

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		const char *type = strstr(line, " - cgroup2 ");

		if (!type || sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1)
			continue;
		return (size_t)snprintf(buf, size, "%s", point) < size;
	}
	return false;
}

/* Our path in the cgroup v2 hierarchy: the line "0::/..." of /proc/self/cgroup (cgroups(7)). */
static bool cgroup_own(char *buf, size_t size)
{
	_cleanup_(fclosep)
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX + 8];

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::", 3))
			continue;
		line[strcspn(line, "\n")] = '\0';
		return (size_t)snprintf(buf, size, "%s", line + 3) < size;
	}
	return false;
}

static int no_mount(char why[KBPF_WHY_SIZE])
{
	return kbpf_why(why, -ENOENT,
			"no cgroup v2 is mounted: mount -t cgroup2 none /sys/fs/cgroup");
}

int kbpf_cgroup_open_root(char why[KBPF_WHY_SIZE])
{
	char mount[PATH_MAX];

	return cgroup_mount(mount, sizeof(mount)) ? kbpf_cgroup_open(mount, why) : no_mount(why);
}

int kbpf_cgroup_open(const char *path, char why[KBPF_WHY_SIZE])
{
	char mount[PATH_MAX], own[PATH_MAX], joined[2 * PATH_MAX];
	_cleanup_(close_fdp)
	int fd = -1;
	struct statfs fs;

	if (!path) {
		if (!cgroup_mount(mount, sizeof(mount)))
			return no_mount(why);
		if (!cgroup_own(own, sizeof(own)))
			return kbpf_why(why, -ENOENT, "kedge is in no cgroup v2");
		snprintf(joined, sizeof(joined), "%s%s", mount, own);
		path = joined;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return kbpf_why(why, -errno, "cgroup %s: %s%s", path, strerror(errno),
				errno == ENOENT || errno == ENOTDIR
					? ": name a cgroup v2 directory that exists"
					: "");
	if (fstatfs(fd, &fs) < 0 || (unsigned long)fs.f_type != CGROUP2_SUPER_MAGIC)
		return kbpf_why(why, -EINVAL, "cgroup %s: not a cgroup v2 directory", path);
	return take_fd(fd);
}
