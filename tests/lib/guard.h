/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: copies bytes next to a page that must not be touched. A read or write one byte
 * outside faults at once, even in code without a sanitizer.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum guard_side {
	GUARD_AFTER,  /* the last byte is the last before the forbidden page: finds overruns */
	GUARD_BEFORE, /* the first byte is the first after the forbidden page: finds underruns */
};

struct guard {
	uint8_t *data; /* n bytes, writable; for n == 0 any access to it faults */
	size_t len;
	void *map; /* the whole mapping, for guard_free */
	size_t map_len;
};

/* Copies n bytes (NULL: n zero bytes). Aborts when there is no memory. Owned until guard_free. */
void guard_new(struct guard *g, const void *bytes, size_t n, enum guard_side side);

/* May be called again, and on a zeroed struct. */
void guard_free(struct guard *g);
