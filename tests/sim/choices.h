/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: the one source of all decisions of a simulated world. It is a seed, or a string of
 * bytes that a fuzzer changes. When the bytes are used up, each decision is 0, so 0 must be what
 * lets the world go on and come to its end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct choices {
	uint64_t state;       /* of the generator */
	const uint8_t *bytes; /* borrowed; NULL: the generator is used */
	size_t left;
};

void choices_seed(struct choices *c, uint64_t seed);
void choices_bytes(struct choices *c, const uint8_t *bytes, size_t n);

/* A number below n, which is at least 1. */
uint32_t choice(struct choices *c, uint32_t n);

/* True once in n times. */
static inline bool choice_rare(struct choices *c, uint32_t n)
{
	return choice(c, n) == n - 1 && n > 1;
}

/* A number from least to most. */
static inline uint32_t choice_between(struct choices *c, uint32_t least, uint32_t most)
{
	return least + choice(c, most - least + 1);
}
