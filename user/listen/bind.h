/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: listening sockets, one per worker, that share an address through SO_REUSEPORT; or, for
 * a unix socket, one that they share (bind_unix.h).
 */
#pragma once

#include <stddef.h>

#include "config/config.h"

#define BIND_BACKLOG 4096 /* connections that wait in the kernel for accept(2) */

/*
 * Opens `count` sockets that share one address, and writes that address to name[]. For port 0 the
 * kernel chooses one port for all of them. It is an error if another process listens on the
 * address, although SO_REUSEPORT would let us join it. 0; or -errno after a logged line, and no
 * socket is left open.
 */
int bind_shared(int *fds, size_t count, const struct conf_listener *conf, char name[ADDR_TEXT_MAX]);
