/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the routes of a listener, found by what a client asks for. */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "tls/client_hello.h"
#include "tls/tls_route_types.h"

struct tls_ctx;

/* Of a route that is about to be added. 0; -EINVAL: one is no host name; -ENOMEM. */
int route_names_add(struct route_names *table, const struct conf_names *names, unsigned route);
void route_names_clear(struct route_names *table);

/*
 * The route for a client that asks for this name, which is normalised: among those of the name
 * itself, then among those of its wildcard, the first with a protocol that the client offers; else
 * the first that takes any. 0: none, so the listener's own offer. *known: there are routes of this
 * name. `protocols` is in wire form; bytes NULL: the client offers none.
 */
unsigned tls_route_choose(const struct tls_ctx *t, const char *host,
			  const struct hello_part *protocols, bool *known);
