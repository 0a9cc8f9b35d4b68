/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the certificates in force, for the thread of the metrics and for `kedge status`. The
 * main thread replaces the list while that thread may be going through it.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>

#include "listen/doors.h"
#include "metrics/metrics_text.h"

struct cert_figures {
	pthread_mutex_t lock; /* protects the rest */
	struct metrics_cert *set;
	size_t count;
};

/*
 * By the main thread: from now on those of these doors, whose names are set. A file that a listener
 * has twice is told once. NULL: none. Out of memory, some are missing.
 */
void cert_figures_set(struct cert_figures *f, const struct doors *doors);

/* By any thread: `certs` of struct metrics_source. `figures` is a struct cert_figures. */
void cert_figures_each(void *figures, metrics_cert_fn *each, void *arg);
