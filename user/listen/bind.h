/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: listening sockets, one for each worker, that share an address by SO_REUSEPORT. */
#pragma once

#include <stddef.h>

#include "config/config.h"

#define BIND_BACKLOG 4096 /* connections that the kernel keeps until they are accepted */

/*
 * Opens `count` sockets that share one address (port 0: the port the kernel chose for the first)
 * and writes the bound address to name[]. An address that another process listens on is an error,
 * although SO_REUSEPORT would let us join it. 0 or -errno after a logged line; then no socket is
 * left open.
 */
int bind_shared(int *fds, size_t count, const struct conf_listener *conf, char name[ADDR_TEXT_MAX]);
