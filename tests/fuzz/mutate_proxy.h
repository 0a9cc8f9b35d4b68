/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzzers only: a mutator that knows PROXY prefixes: lengths that are right or miss by one, TLVs,
 * checksums that are right.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* As LLVMFuzzerCustomMutator(): data[0..n) becomes another input of at most `max` bytes. */
size_t mutate_proxy(uint8_t *data, size_t n, size_t max, unsigned seed);
