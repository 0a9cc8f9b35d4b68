/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what the files that load BPF objects (bpf.c, peername.c) share. Nobody else includes
 * it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The message of a failed step, as kbpf_open() hands it out. */
#define BPF_WHY_SIZE 256

/* Fills why[] and returns err, a negative errno: `return kbpf_why(why, -errno, "...", ...)`. */
int kbpf_why(char why[BPF_WHY_SIZE], int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What libbpf has to say goes to the log, at debug. */
void kbpf_log(void);

/* A list like "CAP_BPF, CAP_PERFMON" of what is needed and not effective; empty when nothing is. */
void kbpf_missing_caps(char *buf, size_t size);

/*
 * What a load that failed with err is most likely about: capabilities; then what forbids bpf(2) as
 * a whole (seccomp, a user namespace, a security module); then `lacks`, the whole message of what
 * the caller knows to be missing in the kernel, or NULL. Returns err with why[].
 */
int kbpf_load_why(int err, const char *lacks, char why[BPF_WHY_SIZE]);

/*
 * Opens the cgroup v2 directory that sockops programs attach to: `path`, or our own one when NULL.
 * A descriptor, or -errno with why[].
 */
int kbpf_cgroup_open(const char *path, char why[BPF_WHY_SIZE]);

/* The same for the root of the hierarchy, as far as we see it. */
int kbpf_cgroup_open_root(char why[BPF_WHY_SIZE]);

/* For a path below /sys/fs/bpf: that is mounted by systemd; without it, by us. */
void kbpf_mount(const char *path);

/* The directory of the pins. */
struct kbpf_pins {
	char *dir;
	int fd;   /* of dir: another user may not be able to go by its path */
	int lock; /* held while we live; -1: no pins */
	bool made;
};
#define BPF_PINS_NONE                 \
	{                             \
		.fd = -1, .lock = -1, \
	}

/*
 * Claims `dir` on a bpffs, made and mounted where that is missing. -EBUSY while another kedge lives
 * in it. Pins a dead one left are for the caller to replace.
 */
int kbpf_pins_claim(struct kbpf_pins *pins, const char *dir, char why[BPF_WHY_SIZE]);

/* "DIR/NAME" in buf; removes what is pinned there. 0, also when nothing was, or -errno. */
int kbpf_pins_clear(const struct kbpf_pins *pins, const char *name, char *buf, size_t size);

/* Makes another user the owner of what is pinned as `name`, NULL: of the directory. 0 or -errno. */
int kbpf_pins_give(const struct kbpf_pins *pins, const char *name, uid_t uid, gid_t gid);

/* The same three for each map of an object whose name begins with "kdg_"; kbpf_pins_maps() says in
 * why[] which one failed. */
struct bpf_object;
int kbpf_pins_maps(const struct kbpf_pins *pins, struct bpf_object *obj, char why[BPF_WHY_SIZE]);
void kbpf_pins_clear_maps(const struct kbpf_pins *pins, struct bpf_object *obj);
int kbpf_pins_give_maps(const struct kbpf_pins *pins, struct bpf_object *obj, uid_t uid, gid_t gid);

/* Gives the directory up, and removes it if we made it and it is empty. */
void kbpf_pins_release(struct kbpf_pins *pins);
