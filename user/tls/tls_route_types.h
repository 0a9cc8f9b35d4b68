/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the routes of a listener and their names, for the files that look into them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "tls/alpn.h"
#include "tls/tls_digest.h"

struct tls_certs;

/* What the clients of a route get. */
struct tls_route {
	struct tls_certs *certs; /* owned by the first route that has them */
	struct alpn_list alpn;
	enum conf_mode mode;
	bool by_alpn;                       /* only for clients that offer one of alpn */
	uint8_t identity[TLS_DIGEST_BYTES]; /* what sessions are bound to, beside the name */
};

/* A name of a route. */
struct route_name {
	char *name;     /* owned; normalised; may begin with "*.", which is one label */
	unsigned route; /* index in tls_ctx.routes */
};

struct route_names {
	struct route_name *all; /* sorted by name, then by route */
	size_t count;
};
