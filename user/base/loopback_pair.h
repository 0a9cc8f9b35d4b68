/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: TCP connections of this process to itself, for probes. Any process of the host can
 * connect to a listening socket on 127.0.0.1, so the other end is checked: it is ours or it is
 * dropped.
 */
#pragma once

#include "base/addr.h"

/*
 * Both ends of a new connection over 127.0.0.1: fds[0] connected, fds[1] accepted. They block and
 * are close-on-exec. 0, or -errno and *fds untouched.
 */
int loopback_pair(int fds[2]);

/* The two steps, for a caller who prepares its own socket before it connects. */

/* A listening socket on 127.0.0.1, non-blocking; *out is where to connect. Descriptor or -errno. */
int loopback_listen(union addr *out);

/*
 * Accepts the connection that `near`, whose connect(2) has begun, makes to `listener`, and drops
 * those of strangers. It is ours if accept(2) gives the address of `near`, or `alias` (may be
 * NULL), which a program of peername may show instead. `*peer` (may be NULL) is what it gave.
 * `flags` are those of accept4(2) beside SOCK_CLOEXEC.
 *
 * The descriptor, or -errno: -ETIMEDOUT when the connection does not come within
 * LOOPBACK_PATIENCE_MS, -EADDRINUSE when LOOPBACK_TRIES_MAX strangers came first.
 */
int loopback_accept(int listener, int near, const union addr *alias, union addr *peer, int flags);

#define LOOPBACK_PATIENCE_MS 2000
#define LOOPBACK_TRIES_MAX   64
