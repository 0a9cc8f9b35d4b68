/* SPDX-License-Identifier: BSD-2-Clause */
/* Who else may read a file that holds a secret. See secret.h. */
#include "base/secret.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/account.h"
#include "base/denied.h"
#include "base/log.h"

/* Supplementary groups of kedge, or of the user that it will be. */
#define GROUPS_MAX 1024

static uid_t future_uid;
static gid_t future[GROUPS_MAX];
static int future_count;

void secret_user(const char *name, unsigned uid, unsigned gid)
{
	int count = GROUPS_MAX;

	future_uid = uid;
	future[0] = gid;
	future_count = 1;
	if (name && getgrouplist(name, gid, future, &count) >= 0)
		future_count = count;
	assert(future_count <= GROUPS_MAX);
}

static bool is_in(gid_t gid, const gid_t *set, int count)
{
	for (int i = 0; i < count; i++)
		if (set[i] == gid)
			return true;
	return false;
}

/*
 * If kedge is in the group, somebody put it there so that it can read the file (Kubernetes'
 * fsGroup, Debian's ssl-cert). Root's group is always fine.
 */
static bool group_is_ours(gid_t gid)
{
	gid_t now[GROUPS_MAX];

	if (!gid || future_count)
		return !gid || is_in(gid, future, future_count);
	return gid == getegid() || is_in(gid, now, getgroups(GROUPS_MAX, now));
}

/* The owner reads it himself, and root reads all; anybody else needs the group. */
static const char *next_step(char buf[DENIED_TEXT], const char *path, uid_t owner)
{
	const uid_t uid = future_count ? future_uid : geteuid();

	if (account_in_pod() || (uid && uid != owner))
		return denied_next(buf, path, future_count ? future[0] : getegid(), 0640);
	snprintf(buf, DENIED_TEXT, "chmod 600 %.600s", path);
	return buf;
}

int secret_check(int fd, const char *what, const char *path)
{
	char next[DENIED_TEXT], group[ACCOUNT_NAME];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return log_err(errno, "%s %s: cannot be looked at", what, path);
	if (!S_ISREG(st.st_mode))
		return 0; /* a pipe or a device cannot be read a second time */
	if (st.st_mode & (S_IROTH | S_IWOTH)) {
		log_error("%s %s: everybody may read it (mode %03o): %s", what, path,
			  st.st_mode & 0777, next_step(next, path, st.st_uid));
		return -EPERM;
	}
	if (st.st_mode & (S_IRGRP | S_IWGRP) && !group_is_ours(st.st_gid)) {
		log_error("%s %s: group %s may read it (mode %03o), and kedge is not in it: %s",
			  what, path, account_group(group, st.st_gid), st.st_mode & 0777,
			  next_step(next, path, st.st_uid));
		return -EPERM;
	}
	return 0;
}
