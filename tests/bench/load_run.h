/* SPDX-License-Identifier: BSD-2-Clause */
/* bench only: many connections at once, a fixed number of requests. */
#pragma once

#include "load.h"
#include "load_conn.h"

struct load_run {
	const struct load *load;
	struct conn_env env;
	struct conn *conns;
	struct load_result *result; /* NULL: not measured */
	uint64_t started, finished, total;
	/* With a rate: */
	int timer_fd;
	uint64_t first_ns, interval_ns; /* request i is due at first_ns + i * interval_ns */
	struct conn *idle;
};

void load_run_init(struct load_run *r, const struct load *load);

/* Uses the connections that the last batch has kept. Ends the program on any error. */
void load_run_batch(struct load_run *r, uint64_t total, struct load_result *result);

/* LOAD_IDLE: opens all connections one by one, one request on each. */
void load_run_hold(struct load_run *r);

void load_run_fini(struct load_run *r);
