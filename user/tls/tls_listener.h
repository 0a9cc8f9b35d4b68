/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the TLS context of a listener of the configuration. */
#pragma once

#include "tls/tls.h"

/*
 * Its offer, its routes in their order, and strict-sni. Returns and logs as tls_ctx_new() does.
 * Borrows from l while the context lives.
 */
int tls_listener_new(struct tls_ctx **out, const struct conf_listener *l,
		     const struct tls_shared *shared);
