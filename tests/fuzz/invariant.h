/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzzers only: a condition that must hold for every input. The fuzzer keeps inputs that fail. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define INVARIANT(what)                                                             \
	do {                                                                        \
		if (!(what)) {                                                      \
			fprintf(stderr, "broken: %s (line %d)\n", #what, __LINE__); \
			abort();                                                    \
		}                                                                   \
	} while (0)
