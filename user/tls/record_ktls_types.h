/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: a leg whose records the kernel carries, for the record_ktls files alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tls/pace.h"
#include "tls/record_tls.h"

struct record_ktls {
	struct record_tls t;
	bool raw; /* no more records are read: see ktls_raw() */
	uint32_t reads;
	struct pace pace;
	uint64_t looked_us;   /* time of the last check for a flood */
	uint64_t wire, plain; /* bytes of TCP up to then, and of data since */
};
