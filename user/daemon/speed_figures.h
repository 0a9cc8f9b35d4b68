/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what the rounds of `kedge probe --speed` come to. Pure.
 *
 * Both layers do the same work in a round, one right after the other, so what else the machine does
 * concerns both. Therefore the ratio is computed within each round, and its median is taken, not
 * the ratio of the medians.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum speed_layer { SPEED_USER, SPEED_KERNEL, SPEED_LAYERS };

#define SPEED_ROUNDS_MAX 51
/* Of equals, one is ahead in all of nine rounds in 1 of 256 runs. */
#define SPEED_ROUNDS_MIN 9

/* CPU time of one work, one number a round, in nanoseconds. Begins with all zero. */
struct speed_rounds {
	uint64_t ns[SPEED_LAYERS][SPEED_ROUNDS_MAX];
	unsigned count;
};

/* The median of the rounds. [low, high] has all but the lowest and the highest tenth of them. */
struct speed_spread {
	double low, median, high;
};

enum speed_verdict { SPEED_NOT_COMPARED, SPEED_KERNEL_LESS, SPEED_USER_LESS, SPEED_NO_DIFFERENCE };

struct speed_figures {
	struct speed_spread ns[SPEED_LAYERS];
	struct speed_spread ratio; /* the kernel's divided by user space's */
	enum speed_verdict verdict;
};

/* kernel: both layers were measured. Otherwise only the figures of SPEED_USER are filled in. */
void speed_figures(struct speed_figures *out, const struct speed_rounds *rounds, bool kernel);
