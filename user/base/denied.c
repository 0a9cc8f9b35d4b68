/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a file is closed to kedge. See denied.h. */
#include "base/denied.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/account.h"

#define GROUPS_MAX 1024

/* To make a file: enter its directory and write it. */
#define DENIED_MAKE (DENIED_ENTER + 1)

static bool is_in_group(gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	int count = getgroups(GROUPS_MAX, groups);

	for (int i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return gid == getegid();
}

/* By owner, group and mode alone. */
static bool mode_allows(const struct stat *st, unsigned bits)
{
	if (st->st_uid == geteuid())
		return (st->st_mode >> 6 & bits) == bits;
	if (is_in_group(st->st_gid))
		return (st->st_mode >> 3 & bits) == bits;
	return (st->st_mode & bits) == bits;
}

static void parent_of(char dir[PATH_MAX], const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		strcpy(dir, ".");
	else
		snprintf(dir, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

const char *denied_next(char buf[DENIED_TEXT], const char *path, gid_t gid, unsigned mode)
{
	char group[ACCOUNT_NAME];

	if (account_in_pod())
		snprintf(buf, DENIED_TEXT, "in the pod's spec, fsGroup: %u%s", gid,
			 mode == 0640 ? ", and defaultMode: 0440 for the volume of a Secret" : "");
	else
		snprintf(buf, DENIED_TEXT, "chgrp %s %.280s && chmod %o %.280s",
			 account_group(group, gid), path, mode, path);
	return buf;
}

/* "kedge:kedge" */
static const char *pair(char buf[2 * ACCOUNT_NAME], uid_t uid, gid_t gid)
{
	char user[ACCOUNT_NAME], group[ACCOUNT_NAME];

	snprintf(buf, 2 * ACCOUNT_NAME, "%s:%s", account_user(user, uid),
		 account_group(group, gid));
	return buf;
}

/* The file, or the directory that it cannot be made in. */
static bool look(struct stat *st, char at[PATH_MAX], const char *path, enum denied_what *what)
{
	if (strlen(path) >= PATH_MAX)
		return false;
	strcpy(at, path);
	if (stat(path, st) == 0)
		return true;
	if (errno != ENOENT || *what != DENIED_WRITE)
		return false;
	*what = DENIED_MAKE;
	parent_of(at, path);
	return stat(at, st) == 0;
}

const char *denied_text(char buf[DENIED_TEXT], const char *path, enum denied_what what)
{
	static const struct {
		unsigned bits, mode;
	} rows[] = {{4, 0640}, {2, 0660}, {1, 0710}, {3, 0770}};
	char at[PATH_MAX], owner[2 * ACCOUNT_NAME], own[2 * ACCOUNT_NAME], next[DENIED_TEXT];
	struct stat st;

	pair(own, geteuid(), getegid());
	if (!look(&st, at, path, &what)) {
		snprintf(buf, DENIED_TEXT, "kedge runs as %s", own);
		return buf;
	}
	if (mode_allows(&st, rows[what].bits))
		snprintf(next, sizeof(next),
			 "the mode allows it: look at its ACL and at AppArmor "
			 "or SELinux");
	else
		denied_next(next, at, getegid(), rows[what].mode);
	snprintf(buf, DENIED_TEXT, "%s%.200s is %s mode %04o, and kedge runs as %s: %.620s",
		 what == DENIED_MAKE ? "directory " : "", what == DENIED_MAKE ? at : "it",
		 pair(owner, st.st_uid, st.st_gid), st.st_mode & 07777, own, next);
	return buf;
}
