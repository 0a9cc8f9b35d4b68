/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the process that detaches the guard when kedge cannot. kedge gives up its privileges,
 * and may be killed. So it first forks the keeper, which keeps the capabilities that libxdp needs.
 * The keeper has no descriptors except the pipes and the lock below, no keys and no clients. When
 * its pipe says so, or ends because kedge has died, it detaches the guard and exits. It has a
 * session of its own and ignores SIGTERM, because a service manager sends that to all processes of
 * a unit.
 *
 * If the keeper is killed too, the lease of the program (kedge_guard_config.lease_ns) ends within
 * seconds, and everything passes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "guard/guard_interface.h"

struct guard_keeper {
	pid_t pid; /* 0: none */
	int tell;  /* closed: kedge has died */
	int hear;  /* closed: the keeper has died */
};
#define GUARD_KEEPER_NONE               \
	{                               \
		.tell = -1, .hear = -1, \
	}

/*
 * Forks the keeper of guard `id` on these interfaces. It keeps `lock`, the descriptor of
 * guard_lock(), open until the guard is detached. Call it before there are threads. 0 or -errno.
 */
int guard_keeper_start(struct guard_keeper *k, unsigned id, const struct guard_interface *set,
		       size_t count, int lock);

/* Is it alive? */
bool guard_keeper_lives(const struct guard_keeper *k);

/* Tells it to exit and to leave the guard attached. */
void guard_keeper_dismiss(struct guard_keeper *k);

/*
 * Tells it to detach the guard and to exit, and waits for that. 0; -ESRCH: it had died; -EIO: it
 * failed, and has logged why; -ETIMEDOUT. *k is empty afterwards.
 */
int guard_keeper_end(struct guard_keeper *k);
