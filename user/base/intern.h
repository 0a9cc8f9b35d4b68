/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: names that many owners share. Each distinct one is kept once, for as long as somebody
 * has it: peers that name something else each time take what they keep open, and no more. One
 * thread's.
 */
#pragma once

#include <stddef.h>

/* Zeros are an empty one. */
struct intern {
	void *tree;
	size_t count; /* of distinct names */
};

/* The one copy of a name, for intern_put(). NULL when out of memory. */
const char *intern_get(struct intern *in, const char *name);

/* Gives it back. NULL is fine. */
void intern_put(struct intern *in, const char *name);
