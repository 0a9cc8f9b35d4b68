/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: a client leg whose records the kernel carries. See record.h. */
#pragma once

#include "tls/keys.h"
#include "tls/ktls.h"
#include "tls/record.h"

/*
 * The kernel has the keys of the socket, both of them. Follows KeyUpdates with a copy of `traffic`;
 * NULL: a KeyUpdate ends the leg. NULL when out of memory.
 */
struct record *record_ktls_new(int fd, struct record_scratch *scratch, enum tls_version version,
			       enum tls_suite suite, const struct keys_traffic *traffic);
