/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: a bpffs and a network that only this program sees, in namespaces of its own, and a
 * cgroup. An
 * ordinary user is root there, in a user namespace, if the system allows that. bpf(2) is refused in
 * one, but directories, links, locks and interfaces work.
 */
#pragma once

#include <stdbool.h>

/* Are we root, and not in a user namespace made here? */
bool own_real_root(void);

/* A user namespace whose root we are, with no other user in it. */
bool own_user_root(void);

/* A mount namespace with a bpffs. False if the system does not allow it; prints why. */
bool own_bpffs_up(void);
void own_bpffs_down(void);

/* The mount point; "" before own_bpffs_up(). */
extern char own_bpffs[64];

/* A network namespace with nothing but lo, which is up. It ends with the program. As above. */
bool own_net_up(void);

/* Runs "ip ARGS"; false if it fails. */
bool own_ip(const char *args);

/*
 * Makes an empty cgroup v2 directory for the test. NULL if it cannot; prints why.
 * own_cgroup_down() removes it.
 */
const char *own_cgroup_up(void);
void own_cgroup_down(void);

/* Moves this process into a cgroup; NULL: back to the root of the hierarchy. */
bool own_cgroup_enter(const char *path);

/* From here on bpf(2) fails with `err` in this process, by a seccomp filter. */
bool own_bpf_forbid(int err);
