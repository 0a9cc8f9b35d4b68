/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: compares the automaton with the reference (http1_reference.h) over one stream. Then
 * the reference reads the output, and that is compared, too. The stream is fed in one piece; that
 * pieces make no difference is tested with http1_driver.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kedge/http1_state.h"

/*
 * NULL, or in words how they differ. `tunnel`: how upgrades are answered. *refused (may be NULL):
 * both refused the stream.
 */
const char *http1_disagree(const struct http1_conf *conf, bool tunnel, const uint8_t *in, size_t n,
			   bool *refused);
