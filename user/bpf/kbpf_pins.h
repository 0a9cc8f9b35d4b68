/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: pins. Each BPF object of kedge has a directory on a bpffs, where its maps are pinned
 * for bpftool. kedge makes pins and removes them. It never opens one, so it does not trust anything
 * that it finds in the directory: it replaces it.
 *
 * I1  One kedge at a time uses a directory: it holds a lock, flock(2).
 * I2  From kbpf_pins_open() to kbpf_pins_give() the directory belongs to us or to root, so no other
 *     user can put a file, a symbolic link or another object in the place of a pin.
 * I3  kedge never follows a symbolic link in the directory.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "bpf/kbpf_host.h"

struct bpf_object;

struct kbpf_pins {
	struct bpf_object *obj; /* has the maps; borrowed */
	char *dir;
	/* A descriptor of dir, locked. It works for another user, too. -1: no pins. */
	int lock;
	bool made;
};
#define KBPF_PINS_NONE     \
	{                  \
		.lock = -1 \
	}

/*
 * Locks the directory DIRSUFFIX, which it makes if it is missing, and pins each map of obj whose
 * name begins with "kdg_". Replaces whatever has these names. 0; or -errno with why[], and nothing
 * is pinned. -EBUSY: another kedge uses the directory.
 */
int kbpf_pins_open(struct kbpf_pins *pins, struct bpf_object *obj, const char *dir,
		   const char *suffix, char why[KBPF_WHY_SIZE]);

/* Makes another user the owner of the directory and all pins. 0, also without pins, or -errno. */
int kbpf_pins_give(const struct kbpf_pins *pins, uid_t uid, gid_t gid);

/*
 * Removes the pins and releases the lock. Removes the directory if we made it and it is empty. Call
 * it before obj is destroyed. Does nothing without pins.
 */
void kbpf_pins_close(struct kbpf_pins *pins);

/*
 * Removes what a kedge that was killed has left in DIRSUFFIX, if no process holds its lock. For a
 * kedge that has nothing to pin there. `dir` NULL is fine. Says nothing: the pins only take memory.
 */
void kbpf_pins_sweep(const char *dir, const char *suffix);

/* Mounts a bpffs on /sys/fs/bpf if `path` is there and no bpffs is. */
void kbpf_mount(const char *path);
