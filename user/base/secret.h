/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: who else may read a file that holds a secret. */
#pragma once

/*
 * Refuses a file that more than its owner, root and the groups that kedge is in may read or
 * write. `what` and `path` are for the message. 0, or -EPERM after a logged line with the chmod to
 * use.
 */
int secret_check(int fd, const char *what, const char *path);

/*
 * The user that kedge will become: its group, and the further ones of the user database (`name`
 * NULL: none). Once, at start.
 */
void secret_user(const char *name, unsigned gid);
