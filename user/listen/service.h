/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what one worker has for one listener of one generation: configuration, TLS context,
 * counts, and the address it is bound to. The door that accepts for it holds a reference, and so
 * does every connection. A connection keeps the service that it was accepted for until it ends.
 *
 * Certificates are read here, by service_new(). A reload (daemon/reload.c) makes new services, so
 * it reads them again.
 */
#pragma once

#include <stdint.h>

#include "kedge/abi.h"
#include "listen/generation.h"
#include "listen/limit.h"
#include "metrics/metrics.h"

struct service {
	unsigned refs;                    /* changed by the worker alone */
	struct generation *generation;    /* a reference */
	const struct conf_listener *conf; /* in there */
	struct tally *tally;              /* in there, for all workers and generations; atomic */
	struct limits *limits;            /* of the process */
	struct tls_ctx *tls;              /* NULL without TLS */
	struct metrics_listener *metrics; /* this worker's; set with the socket */
	char name[ADDR_TEXT_MAX];         /* where it is bound; set with the socket */
	uint16_t port;                    /* host order; set with the socket */
};

/*
 * Makes the service of listener `index` of a generation. `warn`: log what is wrong with its
 * certificates. By the main thread. 0 or -errno after a logged line.
 */
int service_new(struct service **out, struct generation *g, size_t index, struct limits *limits,
		bool warn);

/* The last reference frees it. By the worker, outside callbacks. */
struct service *service_get(struct service *s);
void service_put(struct service *s);

/* By the worker. See base/check.h. */
void service_check(const struct service *s);

/*
 * Counts one more connection, until service_leave(). Returns KEDGE_REASON_NONE; or the limit that
 * is reached, and then counts nothing.
 */
enum kedge_reason service_enter(struct service *s);
void service_leave(struct service *s);
