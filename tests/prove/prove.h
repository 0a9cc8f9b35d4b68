/* SPDX-License-Identifier: BSD-2-Clause */
/* proofs only: the words of a harness. See run.sh. */
#pragma once

#include <stdbool.h>
#include <string.h>

/* CBMC knows these by their usual names only. */
#define __builtin_memcpy memcpy
#define __builtin_memset memset

/* What is known of an input: one that breaks it does not count. */
#define ASSUME(what) __CPROVER_assume(what)

/* What must be true for every input. */
#define PROVE(what) __CPROVER_assert(what, #what)

/* The trace of a failure has the value. */
#define INPUT(value) __CPROVER_input(#value, value)

/*
 * A place that inputs must come to. run.sh fails if none does, because then the assumptions
 * contradict each other and everything behind them is true of nothing.
 */
#ifdef PROVE_TRACE
#define REACH(place)
#else
#define REACH(place) __CPROVER_assert(false, "reach: " place)
#endif
