/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: tells guards of living processes from those of dead ones. The process of a guard holds
 * a lock: flock(2) on a directory named after the guard's id. These directories are on the bpffs,
 * beside libxdp's pins, in one that only root can read, so nobody else can hold a lock. The kernel
 * releases a lock with the last process that has it open, however that process ends.
 */
#pragma once

#include "bpf/kbpf_host.h"

/* The lock for attaching a guard. No program has this id. */
#define GUARD_LOCK_START 0

/* A descriptor; -EADDRINUSE: another process holds it; or -errno. */
int guard_lock(unsigned id);

/* Releases it and removes its directory. -1 in *fd is fine. */
void guard_unlock(int *fd, unsigned id);

/* Removes the directories of killed processes. Call it with GUARD_LOCK_START held. */
void guard_lock_sweep(void);

/*
 * Takes GUARD_LOCK_START, waiting up to ten seconds, and sweeps. Without this lock, two kedges that
 * start at the same time would take each other's guard for a dead one. A descriptor, or -errno with
 * why[].
 */
int guard_lock_start(char why[KBPF_WHY_SIZE]);
