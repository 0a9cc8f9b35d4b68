/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: a listener's configuration as one worker serves it, under one generation: TLS
 * contexts, counts, where it is bound. Counted: the door that accepts for it holds a reference, and
 * so does every connection. A connection ends under the service that it was accepted for.
 */
#pragma once

#include <stdint.h>

#include "kedge/abi.h"
#include "listen/generation.h"
#include "listen/limit.h"
#include "metrics/metrics.h"

struct service {
	unsigned refs;                    /* by the worker */
	struct generation *generation;    /* a reference */
	const struct conf_listener *conf; /* in there */
	unsigned *connections;            /* in there: of all workers and generations; atomic */
	struct limits *limits;            /* of the process */
	struct tls_ctx *tls;              /* NULL without TLS */
	struct metrics_listener *metrics; /* this worker's; set when the door gets its socket */
	uint64_t unasked_said_ms, lost_said_ms; /* see conn_move.c; 0: never */
	char name[ADDR_TEXT_MAX];               /* where it is bound; with the socket, too */
	uint16_t port;                          /* likewise, host order */
};

/*
 * Listener `index` of a generation. By the main thread. warn: say what is wrong with its
 * certificates. 0 or -errno after a logged line.
 */
int service_new(struct service **out, struct generation *g, size_t index, struct limits *limits,
		bool warn);

/* By the worker, outside callbacks: the last reference frees. */
struct service *service_get(struct service *s);
void service_put(struct service *s);

/*
 * KEDGE_REASON_NONE, and the connection is counted until service_leave(); or the limit that it is
 * over.
 */
enum kedge_reason service_enter(struct service *s);
void service_leave(struct service *s);
