/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: can the certificates and keys of a configuration be used? */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/*
 * Reads every pair once. 0, or -errno of the first fault, after a line for each; -ENOENT: files are
 * missing, which may come later, and there is no other fault. With `warn` it
 * also warns of certificates that fail for clients, as tls_ctx_warn() does.
 */
int certs_check(const struct conf *conf, bool warn);

/* Does an earlier listener have the same certificates? They are warned of once. */
bool certs_seen_before(const struct conf *conf, size_t listener);
