/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: a bpffs and a network that only this program sees, in namespaces of its own. An
 * ordinary user is root there, in a user namespace, if the system allows that. bpf(2) is refused in
 * one, but directories, links, locks and interfaces work.
 */
#pragma once

#include <stdbool.h>

/* Are we root, and not in a user namespace made here? */
bool own_real_root(void);

/* A mount namespace with a bpffs. False if the system does not allow it; prints why. */
bool own_bpffs_up(void);
void own_bpffs_down(void);

/* The mount point; "" before own_bpffs_up(). */
extern char own_bpffs[64];

/* A network namespace with nothing but lo, which is up. It ends with the program. As above. */
bool own_net_up(void);

/* Runs "ip ARGS"; false if it fails. */
bool own_ip(const char *args);
