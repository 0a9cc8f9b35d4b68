/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what the kernel's TLS can do here. */
#pragma once

#include "tls/ktls.h"

/*
 * Tries every version and suite in both directions with bytes through a loopback pair, and a rekey.
 * Always returns with *out filled in; 0, or -errno when not even a loopback pair could be made.
 */
int ktls_probe(struct ktls_caps *out);
