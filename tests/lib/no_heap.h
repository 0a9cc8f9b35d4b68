/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: malloc(3), calloc(3) and realloc(3) that fail on request. They replace those of the C
 * library, and call those of the address sanitizer. Include it in one file of a test.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

void *__interceptor_malloc(size_t size);
void *__interceptor_calloc(size_t count, size_t size);
void *__interceptor_realloc(void *p, size_t size);

/* While true, each call fails. */
static bool no_heap;

static inline bool no_heap_now(void)
{
	if (no_heap)
		errno = ENOMEM;
	return no_heap;
}

void *malloc(size_t size)
{
	return no_heap_now() ? NULL : __interceptor_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return no_heap_now() ? NULL : __interceptor_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
	return no_heap_now() ? NULL : __interceptor_realloc(p, size);
}
