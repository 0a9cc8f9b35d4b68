/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzzers only: a mutator that knows lines, tokens and the operations of stream.h. libFuzzer's own
 * mutations of single bytes are among its own.
 */
#pragma once

#include "grammar.h"

/*
 * What an input has: a few bytes of choices, then a stream in the form of stream.h. For
 * GRAMMAR_BOTH these are requests, MUTATE_SPLIT, responses.
 */
#define MUTATE_SPLIT 0xfc

struct mutate {
	size_t choices;
	enum grammar grammar;
};

/* Where in[0..n) is split; n: nowhere. */
size_t mutate_split(const uint8_t *in, size_t n);

/* As LLVMFuzzerCustomMutator(): data[0..n) becomes another input of at most `max` bytes. */
size_t mutate(const struct mutate *m, uint8_t *data, size_t n, size_t max, unsigned seed);
