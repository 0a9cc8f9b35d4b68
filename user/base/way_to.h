/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: finds the directory that blocks the way to a file. */
#pragma once

#include <limits.h>
#include <stdbool.h>

/*
 * Finds the first directory on the way to `path` that kedge may not enter; follows symbolic links.
 * False if there is none: then the file itself is the problem, or it does not exist.
 */
bool way_blocked(char dir[PATH_MAX], const char *path);

/*
 * Logs that open(2) failed with `err`. After EACCES it names what is closed, the file or a
 * directory on the way, its owner, and the command that opens it. Returns -err.
 */
int way_cannot_open(const char *what, const char *path, int err);
