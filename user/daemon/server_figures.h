/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what is counted of the servers in force, for the thread of the metrics. The main
 * thread replaces the generation, which that thread may be going through.
 */
#pragma once

#include <pthread.h>

#include "listen/generation.h"
#include "metrics/metrics_text.h"

struct server_figures {
	pthread_mutex_t lock;          /* protects the pointer */
	struct generation *generation; /* a reference; or NULL */
};

/* By the main thread: from now on those of this generation, of which it takes a reference. NULL:
 * none. */
void server_figures_set(struct server_figures *f, struct generation *g);

/* By any thread: `servers` of struct metrics_source. `figures` is a struct server_figures. */
void server_figures_each(void *figures, metrics_app_server_fn *each, void *arg);
/* The same: `apps`. */
void server_figures_each_app(void *figures, metrics_app_fn *each, void *arg);
