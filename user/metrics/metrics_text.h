/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: all counters and measurements as Prometheus text (exposition format 0.0.4). Counters
 * of `kedge status` are kedge_NAME_total; reasons and capabilities are labels; histograms are in
 * seconds; there are a few counts for each listener and each server (as many as a configuration may
 * have: 256 and 64 times 64), and the process_* of all exporters.
 * docs/observability.md lists the names.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "guard/guard.h"
#include "kedge/abi.h"
#include "metrics/metrics.h"

/* What is counted of a server of an application. */
struct metrics_app_server {
	const char *application, *server;
	bool up;    /* it gets new connections */
	bool ready; /* the operator has not taken it out */
	uint64_t connections, busy, connects, failures;
};

typedef void metrics_app_server_fn(void *arg, const struct metrics_app_server *s);
/* The clients in the queue of an application. */
typedef void metrics_app_fn(void *arg, const char *application, uint64_t waiting);

/* A certificate of a listener, or of one of its routes. */
struct metrics_cert {
	char *listener, *file, *subject, *names;
	time_t not_after; /* seconds since the epoch */
};

typedef void metrics_cert_fn(void *arg, const struct metrics_cert *c);

/* Reloads since the start. Written by the main thread, atomically. */
struct metrics_reloads {
	uint64_t done, refused;
	uint64_t last;     /* seconds since the epoch; before the first one: the start */
	bool last_refused; /* the last one */
	uint64_t restart;  /* keys that keep their value until a restart */
};

/* The sources of the text; all borrowed. */
struct metrics_source {
	const struct kedge_stats *const *rows;
	size_t rows_count;
	struct metrics *metrics;
	bool record_kernel, edit_kernel, bypass; /* what new flows get */
	const struct kedge_peer_stats *peername; /* NULL: off */
	const struct guard *guard;               /* NULL: off */
	/* Calls `each` for every server, in an order that stays; NULL: there are none. */
	void (*servers)(void *servers_arg, metrics_app_server_fn *each, void *each_arg);
	/* The same for every application. Not NULL if `servers` is not. */
	void (*apps)(void *servers_arg, metrics_app_fn *each, void *each_arg);
	void *servers_arg;
	/* The same for every certificate; NULL: there are none. */
	void (*certs)(void *certs_arg, metrics_cert_fn *each, void *each_arg);
	void *certs_arg;
	const struct metrics_reloads *reloads; /* NULL: none is counted */
	time_t started;                        /* seconds since the epoch */
	const bool *stopping;                  /* atomic: told to stop; NULL: never */
};

/* Any thread. */
void metrics_write(FILE *to, const struct metrics_source *from);
