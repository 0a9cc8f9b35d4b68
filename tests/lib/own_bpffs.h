/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: a bpffs that only this program sees, in a mount namespace of its own. An ordinary
 * user gets one in a user namespace, as its root, if the kernel allows that. There bpf(2) is
 * refused, but directories, links and locks work.
 */
#pragma once

#include <stdbool.h>

/* The mount point, and "" before own_bpffs_up(). */
extern char own_bpffs[64];

/* False when the system does not allow it; a line on standard output says why. */
bool own_bpffs_up(void);
void own_bpffs_down(void);

/* Are we root outside of any user namespace of our own? Asked before own_bpffs_up(). */
bool own_bpffs_real_root(void);
