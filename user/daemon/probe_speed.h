/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: measures both record layers, for `kedge probe --speed`: what kedge's own calls take of
 * the CPU, in TLS 1.3, for each suite.
 */
#pragma once

#include "daemon/probe.h"
#include "daemon/speed_figures.h"

enum speed_work { SPEED_REQUEST, SPEED_DOWN, SPEED_UP, SPEED_WORKS };

struct speed_suite {
	unsigned rounds;
	/* The row of the probe that says why the kernel cannot; NULL if both were measured. */
	const struct probe_row *missing;
	struct speed_figures works[SPEED_WORKS];
};

struct speed_report {
	struct probe_report probe; /* of probe_record() */
	struct speed_suite suites[SUITE_COUNT];
};

/*
 * Measures. Takes 0.6 seconds a suite at most, or as long as SPEED_ROUNDS_MIN rounds take. 0, or
 * -errno after a logged line.
 */
int probe_speed(struct speed_report *r);
