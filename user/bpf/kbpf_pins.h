/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: pins. Every BPF object that kedge loads has a directory of its own on a bpffs, where
 * its maps are pinned for bpftool. kedge writes pins and removes them. It never opens one: what is
 * found in the directory is of no interest, whoever put it there, and is replaced.
 *
 * I1  One kedge at a time: the directory is locked with flock(2) for as long as it is in use.
 * I2  From the claim until kbpf_pins_give() the directory belongs to us or to root, so nobody else
 *     can put a file, a symbolic link or another object in the place of a pin.
 * I3  No symbolic link in the directory is ever followed.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "bpf/kbpf_host.h"

struct bpf_link;
struct bpf_object;

struct kbpf_pins {
	struct bpf_object *obj; /* whose maps they are; borrowed */
	const char *link;       /* name of the pinned link; NULL: none */
	char *dir;
	/* Of dir, locked. Works also when we are a user who cannot use the path. -1: no pins. */
	int lock;
	bool made;
};
#define KBPF_PINS_NONE     \
	{                  \
		.lock = -1 \
	}

/*
 * Claims the directory "DIR SUFFIX" (one word), which it makes if it is missing, and pins each map
 * of obj whose name begins with "kdg_". Replaces what is there under these names. 0 or -errno with
 * why[]; -EBUSY while another kedge lives there. After an error nothing is pinned.
 */
int kbpf_pins_open(struct kbpf_pins *pins, struct bpf_object *obj, const char *dir,
		   const char *suffix, char why[KBPF_WHY_SIZE]);

/* Pins a link beside the maps. `name` is a literal. 0 or -errno with why[]. */
int kbpf_pins_link(struct kbpf_pins *pins, struct bpf_link *link, const char *name,
		   char why[KBPF_WHY_SIZE]);

/* Makes another user the owner of the directory and all pins. 0, also without pins, or -errno. */
int kbpf_pins_give(const struct kbpf_pins *pins, uid_t uid, gid_t gid);

/*
 * Removes the pins, and the directory if we made it and it is empty; gives up the lock. Call it
 * before obj is destroyed. Does nothing without pins.
 */
void kbpf_pins_close(struct kbpf_pins *pins);

/* Mounts a bpffs on /sys/fs/bpf if `path` is below it and nothing is mounted there. */
void kbpf_mount(const char *path);
