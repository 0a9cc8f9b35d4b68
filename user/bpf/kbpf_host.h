/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what BPF needs of the host: capabilities and cgroups. Says why it is refused. */
#pragma once

#include <stddef.h>

/* The message of a failed step, as kbpf_open() returns it. */
#define KBPF_WHY_SIZE 256

/* Fills why[] and returns err, a negative errno: `return kbpf_why(why, -errno, "...", ...)`. */
int kbpf_why(char why[KBPF_WHY_SIZE], int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Sends libbpf's messages to the log, at level debug. */
void kbpf_log(void);

/* Lists the capabilities that BPF needs and that are not effective: "CAP_BPF, CAP_PERFMON", "". */
void kbpf_missing_caps(char *buf, size_t size);

/*
 * Says why a load failed with err. The most likely cause comes first: missing capabilities, then
 * whatever forbids bpf(2) as a whole (seccomp, a user namespace, a security module), then `lacks`:
 * the caller's message about a missing kernel feature, or NULL. Returns err.
 */
int kbpf_load_why(int err, const char *lacks, char why[KBPF_WHY_SIZE]);

/*
 * Opens the cgroup v2 directory that programs attach to: `path`, or kedge's own if NULL. Returns a
 * descriptor, or -errno with why[].
 */
int kbpf_cgroup_open(const char *path, char why[KBPF_WHY_SIZE]);

/* The same for the root of the hierarchy, as far as kedge sees it. */
int kbpf_cgroup_open_root(char why[KBPF_WHY_SIZE]);
