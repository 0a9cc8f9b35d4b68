/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the directory that blocks the way to a file. See way_to.h. */
#include "base/way_to.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/denied.h"
#include "base/log.h"

/* The kernel's limit: more links are a circle. */
#define LINKS_MAX 40

/* The first of the directories that `path` names. */
static bool first_blocked(char dir[PATH_MAX], const char *path)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t len = slash == path ? 1 : (size_t)(slash - path);

		memcpy(dir, path, len);
		dir[len] = '\0';
		if (access(dir, X_OK) < 0)
			return errno == EACCES;
	}
	return false;
}

/* Puts what the link at `path` points to in its place; false when it is none. */
static bool follow(char path[PATH_MAX])
{
	char target[PATH_MAX], next[2 * PATH_MAX];
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	const char *slash = strrchr(path, '/');

	if (len <= 0)
		return false;
	target[len] = '\0';
	if (target[0] == '/' || !slash)
		snprintf(next, sizeof(next), "%s", target);
	else
		snprintf(next, sizeof(next), "%.*s/%s", (int)(slash - path), path, target);
	if (strlen(next) >= PATH_MAX)
		return false;
	strcpy(path, next);
	return true;
}

bool way_blocked(char dir[PATH_MAX], const char *path)
{
	char at[PATH_MAX];

	if (strlen(path) >= sizeof(at))
		return false;
	strcpy(at, path);
	for (int i = 0; i < LINKS_MAX; i++) {
		if (first_blocked(dir, at))
			return true;
		if (!follow(at))
			return false;
	}
	return false;
}

int way_cannot_open(const char *what, const char *path, int err)
{
	char dir[PATH_MAX], why[DENIED_TEXT];

	if (err != EACCES)
		return log_err(err, "%s %s: cannot open", what, path);
	if (way_blocked(dir, path))
		log_error("%s %s: cannot open: directory %s may not be entered: %s", what, path,
			  dir, denied_text(why, dir, DENIED_ENTER));
	else
		log_error("%s %s: cannot open: %s: %s", what, path, strerror(err),
			  denied_text(why, path, DENIED_READ));
	return -err;
}
