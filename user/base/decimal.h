/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: reads decimal numbers. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads text[0..len), which must be digits only: no sign, no white space. False when there is no
 * digit, when there is anything else, or when the number is above max; *out is untouched then.
 */
bool decimal_parse(const char *text, size_t len, uint64_t max, uint64_t *out);

/* The same; a number with leading zeros is refused. "0" is fine. */
bool decimal_parse_plain(const char *text, size_t len, uint64_t max, uint64_t *out);
