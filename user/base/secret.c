/* SPDX-License-Identifier: BSD-2-Clause */
/* Who else may read a file that holds a secret. See secret.h. */
#include "base/secret.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* Supplementary groups of kedge, or of the user that it will be. */
#define GROUPS_MAX 1024

static gid_t future[GROUPS_MAX];
static int future_count;

void secret_user(const char *name, unsigned gid)
{
	int count = GROUPS_MAX;

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

/* Nobody can chmod the volume of a Secret: Kubernetes has its own way. */
int secret_check(int fd, const char *what, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return log_err(errno, "%s %s: cannot be looked at", what, path);
	if (!S_ISREG(st.st_mode))
		return 0; /* a pipe or a device cannot be read a second time */
	if (st.st_mode & (S_IROTH | S_IWOTH)) {
		log_error("%s %s: everybody may read it (mode %03o): chmod 600 %s "
			  "(Kubernetes: defaultMode: 0440 and fsGroup)",
			  what, path, st.st_mode & 0777, path);
		return -EPERM;
	}
	if (st.st_mode & (S_IRGRP | S_IWGRP) && !group_is_ours(st.st_gid)) {
		log_error("%s %s: group %u may read it (mode %03o): chmod 600 %s, or chgrp it to "
			  "a group that kedge is in (Kubernetes: defaultMode: 0440 and fsGroup)",
			  what, path, st.st_gid, st.st_mode & 0777, path);
		return -EPERM;
	}
	return 0;
}
