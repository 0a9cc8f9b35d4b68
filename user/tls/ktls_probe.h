/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what kernel TLS can do here. */
#pragma once

#include "tls/ktls.h"

/*
 * Tries every version and suite in both directions, and a rekey, with bytes through a loopback
 * pair. *out is filled in in any case. 0, or -errno if there is no loopback pair.
 */
int ktls_probe(struct ktls_caps *out);
