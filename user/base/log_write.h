/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the way of a line to standard error, which other processes share: kedge cannot make it
 * non-blocking. A reader that stands still must not stop a worker.
 */
#pragma once

#include <stddef.h>

/*
 * How long a line may wait for room; a negative number is for ever, as it is at first. When that
 * time is over, later lines do not wait, until there is room again.
 */
void log_write_patience(int ms);

/* Writes one line. 0, or -errno: -EAGAIN if there is no room. Any thread. */
int log_write(const char *line, size_t len);
