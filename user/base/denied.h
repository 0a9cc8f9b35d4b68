/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: why a file is closed to kedge, and the command that opens it. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define DENIED_TEXT 1024

enum denied_what { DENIED_READ, DENIED_WRITE, DENIED_ENTER };

/*
 * After EACCES for `path`: "it is root:root mode 0440, and kedge runs as kedge:kedge: chgrp kedge
 * PATH && chmod 640 PATH". If there is no such file to write, its directory is the one that is
 * closed.
 */
const char *denied_text(char buf[DENIED_TEXT], const char *path, enum denied_what what);

/*
 * The command that opens a file to this group: "chgrp kedge PATH && chmod 640 PATH". In a pod it
 * is a setting: nobody can chmod the volume of a Secret.
 */
const char *denied_next(char buf[DENIED_TEXT], const char *path, gid_t gid, unsigned mode);
