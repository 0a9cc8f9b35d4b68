/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the running daemon as its main thread sees it. cmd_run.c owns it. Workers touch only
 * `shared`.
 */
#pragma once

#include <stdbool.h>

#include <time.h>

#include <jansson.h>

#include "app/checks.h"
#include "app/names.h"
#include "base/capability_loss.h"
#include "daemon/cert_figures.h"
#include "daemon/server_figures.h"
#include "listen/activation.h"
#include "listen/generation.h"
#include "tls/ktls.h"
#include "metrics/metrics_server.h"
#include "daemon/notify.h"
#include "conn/worker.h"

struct daemon {
	int argc; /* of `kedge run`: at each reload flags override the file again */
	char **argv;
	struct generation *generation; /* in force; a reference */
	const struct conf *conf;       /* generation->conf */
	struct shared shared;
	struct ktls_caps record_caps; /* what kernel TLS can do here */
	/* Why a capability is not used, as found at startup; empty: it is. */
	char capability_why[CAPABILITY_COUNT][200];
	time_t started;      /* seconds since the epoch */
	uint64_t started_ms; /* the same, monotonic */
	struct limits limits;
	struct activation passed; /* sockets passed by the service manager */
	struct watchdog watchdog;
	struct worker *workers;
	unsigned workers_made;
	struct kedge_stats *own_stats;  /* rows without BPF */
	struct kedge_stats **rows;      /* one a worker */
	struct metrics_server *metrics; /* NULL: not configured */
	struct server_figures figures;  /* for the thread of the metrics */
	struct cert_figures certs;      /* likewise */
	struct metrics_reloads reloads; /* likewise */
	json_t *restart; /* what the last reload left for a restart: its texts; NULL: none was */
	struct checks *checks;
	struct names *names;
	int signal_fd, control_fd;
	uint64_t control_again_ms; /* the control socket is left alone until then */
	uint64_t drain_at_ms;      /* the delay of the shutdown ends then; 0: none runs */
	bool stopping;             /* atomic: told to stop. The metrics' thread reads it */
	bool draining;             /* takes no more connections */
};

/* The rows, for those who only read them. */
static inline const struct kedge_stats *const *daemon_rows(const struct daemon *d)
{
	return (const struct kedge_stats *const *)d->rows;
}

static inline unsigned daemon_workers_running(const struct daemon *d)
{
	unsigned running = 0;

	for (unsigned i = 0; i < d->workers_made; i++)
		running += d->workers[i].started &&
			   !__atomic_load_n(&d->workers[i].ended, __ATOMIC_ACQUIRE);
	return running;
}
