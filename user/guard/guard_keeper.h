/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: who takes the guard off when kedge can not. kedge gives up its privileges, and may be
 * killed; so a process of its own is forked before that, keeps the capabilities that libxdp needs,
 * has no descriptor but the pipes below, no key and no client, and does one thing: when its pipe
 * says so, or ends because kedge is gone, it detaches the guard and ends as well. It lives in a
 * session of its own and ignores SIGTERM, which a service manager sends to all processes of a unit.
 *
 * If the keeper is killed too, the lease of the program (kedge_guard_config.lease_ns) ends after
 * seconds, and everything passes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "guard/guard_interface.h"

struct guard_keeper {
	pid_t pid; /* 0: none */
	int tell;  /* its end is kedge's death */
	int hear;  /* its end is the keeper's */
};
#define GUARD_KEEPER_NONE               \
	{                               \
		.tell = -1, .hear = -1, \
	}

/*
 * Forks it, for guard `id` on these interfaces; `lock` is the descriptor of guard_lock(), which it
 * keeps open until the guard is gone. Before there are threads. 0 or -errno.
 */
int guard_keeper_start(struct guard_keeper *k, unsigned id, const struct guard_interface *set,
		       size_t count, int lock);

/* True while it is there. */
bool guard_keeper_lives(const struct guard_keeper *k);

/* It ends and leaves the guard where it is. */
void guard_keeper_dismiss(struct guard_keeper *k);

/*
 * It detaches the guard and ends; waits for that. 0; -ESRCH: it was gone already; -EIO: it could
 * not, and said why; -ETIMEDOUT. There is no keeper afterwards.
 */
int guard_keeper_end(struct guard_keeper *k);
