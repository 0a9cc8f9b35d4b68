/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: listening unix sockets, and the files that they are found by. SO_REUSEPORT does not
 * exist for them: all workers have one accept queue. Main thread only.
 *
 * A file outlives its socket. So kedge remembers those that it has made, and removes them itself. A
 * file that somebody else has put in the place of one is left alone.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "config/config.h"

/*
 * Fills fds[] with `count` descriptors of one listening socket. A socket file that nobody listens
 * on any more is replaced, any other file is not. 0; or -errno after a logged line, and then
 * nothing is left open and no file is left that was not there.
 */
int bind_unix(int *fds, size_t count, const struct conf_listener *conf, int backlog);

/* Removes the files that no listener of conf has. NULL: all of them. */
void bind_unix_keep(const struct conf *conf);

/* Makes this user and group the owners of the files. 0, or -errno after a logged line. */
int bind_unix_give(uid_t uid, gid_t gid);
