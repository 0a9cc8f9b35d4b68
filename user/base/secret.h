/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: who else may read a file that holds a secret. */
#pragma once

/*
 * Rejects a file that anybody may read or write except its owner, root and the groups that kedge is
 * in. `what` and `path` are for the message. 0, or -EPERM after a line with the command that mends
 * it.
 */
int secret_check(int fd, const char *what, const char *path);

/*
 * Sets the user that kedge will become: its group, and its supplementary groups in the user
 * database (`name` NULL: none). Once, at startup.
 */
void secret_user(const char *name, unsigned uid, unsigned gid);
