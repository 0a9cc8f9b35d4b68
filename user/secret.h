/* user only: who else may read a file that holds a secret. */
#pragma once

/*
 * Refuses a file that more than its owner, root and the group that kedge runs as may read or
 * write. `what` and `path` are for the message. 0, or -EPERM after a logged line with the chmod to
 * use.
 */
int secret_check(int fd, const char *what, const char *path);

/* The group that kedge will run as, if it is not the one it runs as now. Once, at start. */
void secret_group(unsigned gid);
