/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of users and groups. See account.h. */
#include "base/account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#ifndef PASSWD_FILE
#define PASSWD_FILE "/etc/passwd"
#define GROUP_FILE  "/etc/group"
#endif

/* The name in a line "NAME:x:ID:..."; false: it has another id, or none, or a long name. */
static bool take_line(char buf[ACCOUNT_NAME], const char *line, unsigned id)
{
	const char *end = strchr(line, ':'), *number = end ? strchr(end + 1, ':') : NULL;
	char *rest;

	if (!number || end == line || end - line >= ACCOUNT_NAME)
		return false;
	if (number[1] < '0' || number[1] > '9' || strtoul(number + 1, &rest, 10) != id ||
	    *rest != ':')
		return false;
	snprintf(buf, ACCOUNT_NAME, "%.*s", (int)(end - line), line);
	return true;
}

static const char *find(char buf[ACCOUNT_NAME], const char *path, unsigned id)
{
	_cleanup_(fclosep)
	FILE *f = fopen(path, "re");
	char *line = NULL;
	bool found = false;
	size_t room = 0;

	while (f && !found && getline(&line, &room, f) >= 0)
		found = take_line(buf, line, id);
	free(line);
	if (!found)
		snprintf(buf, ACCOUNT_NAME, "%u", id);
	return buf;
}

const char *account_user(char buf[ACCOUNT_NAME], uid_t uid)
{
	return find(buf, PASSWD_FILE, uid);
}

const char *account_group(char buf[ACCOUNT_NAME], gid_t gid)
{
	return find(buf, GROUP_FILE, gid);
}

bool account_in_pod(void)
{
	return getenv("KUBERNETES_SERVICE_HOST") != NULL;
}
