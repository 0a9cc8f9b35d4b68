/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: a client leg whose records the kernel carries. See record.h. */
#pragma once

#include "tls/keys.h"
#include "tls/ktls.h"
#include "tls/record.h"

/*
 * A leg whose keys ktls_take_over() gave to the kernel. `traffic` NULL: a KeyUpdate ends the leg;
 * otherwise its secrets are copied and followed. NULL when out of memory.
 */
struct record *record_ktls_new(int fd, struct record_scratch *scratch, enum tls_version version,
			       enum tls_suite suite, const struct keys_traffic *traffic);
