/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: loopback connections on which the probes try things. */
#pragma once

#include <stdbool.h>

#include "base/addr.h"

/* `near` as kedge's app leg would be, `far` as the application's socket; -1: not open. */
struct probe_pair {
	int near, far;
};

/* Does something to `near` before it connects; `arg` holds what it needs. 0 or -errno. */
typedef int (*probe_prepare_fn)(void *arg, int near);

/* What probe_pair_open() does beside connecting. All of it may be absent. */
struct probe_pair_extra {
	probe_prepare_fn prepare;
	void *arg;
	const union addr *alias; /* accept() may show `near` by this address, too */
	union addr *peer;        /* out: the address that accept() has shown */
};

/*
 * Connects *p, whose members are -1. Both ends are non-blocking. `extra` may be NULL. 0 or -errno;
 * call probe_pair_close() in both cases.
 */
int probe_pair_open(struct probe_pair *p, const struct probe_pair_extra *extra);

void probe_pair_close(struct probe_pair *p);

/* Waits two seconds for these POLL* events; false when they do not come. */
bool probe_wait(int fd, short events);
