/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: opens the app leg. */
#pragma once

#include <stdbool.h>

#include "base/addr.h"
#include "kedge/abi.h"

/*
 * A non-blocking socket for this application, not yet connected. With `bypass` its receive buffer
 * has room for responses that bypass TCP. The descriptor or -errno.
 */
int app_socket(const union addr *app, bool bypass);

/*
 * 0: connected or on its way, and writable when that is decided; or -errno. -EADDRNOTAVAIL: all
 * source ports towards this application are taken. -EAGAIN: the queue of a unix socket is full. The
 * socket is as it was, and no event tells when there is room: try again later.
 */
int app_connect(int fd, const union addr *app);

/*
 * After the first EPOLLOUT: 0 if connected, otherwise -errno. A socket that is connected to itself
 * was refused. Reset it at once, because it holds the port of the application.
 */
int app_connected(int fd, const union addr *app);
