/* SPDX-License-Identifier: BSD-2-Clause */
/* bench only: clocks, and the CPU time of other processes. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CPU_GROUP_PIDS_MAX 32

/* Processes whose CPU time is added up. */
struct cpu_group {
	const char *name;
	clockid_t clocks[CPU_GROUP_PIDS_MAX];
	size_t count;
};

uint64_t now_ns(void);

/* CPU time of this process. */
uint64_t cpu_self_ns(void);

/*
 * Reads NAME=PID,PID,... into the group, which keeps pointers into `text` and changes it. 0,
 * -EINVAL for other text, -ESRCH when there is no such process.
 */
int cpu_group_parse(struct cpu_group *g, char *text);

/*
 * User and system time of all its processes and their threads so far. Ends the program if one has
 * ended.
 */
uint64_t cpu_group_ns(const struct cpu_group *g);
