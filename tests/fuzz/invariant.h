/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzzers only: what must hold whatever the input; the fuzzer keeps one that breaks it. */
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
