/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: numbers that look random and are the same in every run (xorshift32). */
#pragma once

#include <stdint.h>

/* *x is the state: any number but 0 to begin with. */
static inline uint32_t random_next(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}
