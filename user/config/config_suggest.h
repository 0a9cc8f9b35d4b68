/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: which name was probably meant by one that does not exist. */
#pragma once

#include <stddef.h>

/* Begin with {0}. */
struct suggestion {
	const char *name; /* borrowed; NULL: none is near */
	unsigned edits;
};

/*
 * Takes `name` if it is nearer to what was written than the one before, and near at all: two edits,
 * or one if it is short. An edit adds, drops or changes one character, or swaps two neighbours. '_'
 * is as good as '-', a capital letter as good as a small one.
 */
void suggest(struct suggestion *s, const char *written, size_t len, const char *name);
