/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what is in the way to a file that kedge may not open. */
#pragma once

#include <limits.h>
#include <stdbool.h>

/*
 * The first directory on the way to `path`, through symbolic links, that kedge may not enter. False
 * when there is none: it is the file itself, then, or it is not there.
 */
bool way_blocked(char dir[PATH_MAX], const char *path);

/* Says that open(2) has failed with `err`, and the directory that is in the way. Returns -err. */
int way_cannot_open(const char *what, const char *path, int err);
