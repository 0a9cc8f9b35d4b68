/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: compares what the automaton makes of a stream with what the reference does
 * (http1_reference.h), and the reference's reading of the result with both. The stream comes in
 * one piece and byte by byte is the same: http1_driver.h and its tests say so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kedge/http1_state.h"

/*
 * NULL, or in words what they do not agree about. `tunnel`: how upgrades are answered. *refused
 * (may be NULL) tells what they agreed on.
 */
const char *http1_disagree(const struct http1_conf *conf, bool tunnel, const uint8_t *in, size_t n,
			   bool *refused);
