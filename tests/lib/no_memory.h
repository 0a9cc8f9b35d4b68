/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: strdup(3) and reallocarray(3) that fail on request. They replace those of the C
 * library. Include it in one file of a test.
 */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Calls until one fails; 0: that one. Negative: none does. */
static int no_memory_after = -1;

static inline int no_memory_now(void)
{
	if (no_memory_after < 0 || no_memory_after-- > 0)
		return 0;
	errno = ENOMEM;
	return 1;
}

char *strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = no_memory_now() ? NULL : malloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

void *reallocarray(void *p, size_t count, size_t size)
{
	if (no_memory_now() || (size && count > SIZE_MAX / size))
		return NULL;
	return realloc(p, count && size ? count * size : 1);
}
