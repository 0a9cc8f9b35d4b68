/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzzers only: makes lines and messages of HTTP/1.1, most of them right or nearly right. They are
 * in the form of stream.h.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum grammar {
	GRAMMAR_REQUESTS,
	GRAMMAR_RESPONSES,
	GRAMMAR_BOTH, /* for the mutator only */
};

#define GRAMMAR_BYTES_MAX 600

/* Each writes at most GRAMMAR_BYTES_MAX bytes to `to` and returns how many. *x: see random.h. */
size_t grammar_line(uint8_t *to, enum grammar g, uint32_t *x);
size_t grammar_message(uint8_t *to, enum grammar g, uint32_t *x);

/* A number: small ones, and those around limits. Decimal, or the hexadecimal size of a chunk. */
size_t grammar_number(uint8_t *to, unsigned base, uint32_t *x);

/* How often something comes: around the limits of what is counted. */
uint8_t grammar_times(uint32_t *x);

/* A fill (stream.h) up to a limit, or past it by one. */
void grammar_fill(uint8_t *to, uint32_t *x);
