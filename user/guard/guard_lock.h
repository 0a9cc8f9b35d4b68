/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: which guards have a process that lives. A lock is flock(2) on a directory of its
 * number, beside libxdp's pins on the bpffs, in one that only root can read: nobody else can hold
 * one. It is gone with the last process that has it open, whatever kills that.
 */
#pragma once

#include "bpf/kbpf_host.h"

/* Held while a guard is put on its interfaces. No program has this number. */
#define GUARD_LOCK_START 0

/* A descriptor, or -errno; -EADDRINUSE: another has it. */
int guard_lock(unsigned id);

/* Gives it back, and removes what it stood on. */
void guard_unlock(int *fd, unsigned id);

/* Removes what killed processes left. Under GUARD_LOCK_START. */
void guard_lock_sweep(void);

/*
 * Takes the lock GUARD_LOCK_START, and waits for it up to ten seconds: two kedges that start at the
 * same time would take each other's guard for a dead one. Then sweeps. A descriptor, or -errno with
 * why[].
 */
int guard_lock_start(char why[KBPF_WHY_SIZE]);
