/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: that a check (user/base/check.h) fails. A table of breaks is a function of BREAK()s:
 *
 *	static const char *broken(unsigned row)
 *	{
 *		BREAK("f->first_len <= sizeof(f->first)", f.first_len = 200);
 *		BREAK(...);
 *		return NULL;
 *	}
 *
 * Each row is one process: it breaks an object, calls the check, and must end by abort() with what
 * must hold on its standard error.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define BREAK(must_hold, ...)             \
	do {                              \
		if (row-- == 0) {         \
			__VA_ARGS__;      \
			return must_hold; \
		}                         \
	} while (0)

/* All rows. Before any is broken, the check must pass. Fails the test, or returns how many. */
unsigned breaks(const char *(*broken)(unsigned row), void (*check)(void));

/* True if this aborts, in a process of its own, and says so on its standard error. */
bool aborts_saying(void (*what)(void), const char *said);
