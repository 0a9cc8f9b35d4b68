/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: does the journal read a descriptor? */
#pragma once

#include <stdbool.h>

/*
 * `stream` is the environment's JOURNAL_STREAM, which names device and inode of the socket that the
 * service manager gave to the service ("8:1234"; systemd.exec(5)). A descriptor that was redirected
 * since is another one. NULL: there is none.
 */
bool log_is_journal(const char *stream, int fd);
