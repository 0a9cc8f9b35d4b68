/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: whether the certificates and keys that a configuration names can be used. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/*
 * Reads every pair once. 0, or -errno of the first that is at fault, after a line for each. `warn`:
 * of what clients will meet, as tls_ctx_warn() does.
 */
int certs_check(const struct conf *conf, bool warn);

/* Has a listener before this one the very same certificates? They are warned of once. */
bool certs_seen_before(const struct conf *conf, size_t listener);
