/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: two workers' numbers, and what is written of them. Failures are cmocka's. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/metrics_text.h"

#define WORKERS 2

static struct kedge_stats *rows[WORKERS];
static struct metrics *metrics;
static struct metrics_source numbers;

static int up(void **state)
{
	(void)state;
	metrics = metrics_new(WORKERS);
	for (int i = 0; i < WORKERS; i++) {
		rows[i] = aligned_alloc(64, sizeof(*rows[i]));
		memset(rows[i], 0, sizeof(*rows[i]));
	}
	numbers = (struct metrics_source){.rows = (const struct kedge_stats *const *)rows,
					  .rows_count = WORKERS,
					  .metrics = metrics,
					  .edit_kernel = true};
	return metrics ? 0 : -1;
}

static int down(void **state)
{
	(void)state;
	metrics_free(metrics);
	for (int i = 0; i < WORKERS; i++)
		free(rows[i]);
	return 0;
}

/* There is this whole line. */
static inline void has(const char *all, const char *line)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	if (!strstr(all, whole))
		fail_msg("no line '%s'", line);
}
