/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: how much one read of kernel records asks for. In one call the kernel opens as many
 * records as the buffer has bytes, and more if they are empty. A peer may send any number of tiny
 * ones. So a leg begins with a small buffer, which grows while reads are quick. Pure: the caller
 * has the clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_LEAST      16384 /* a record of the largest size */
#define PACE_QUICK_US   200
#define PACE_SLOW_US    1000
/* After a read this long the leg is checked for a flood. */
#define PACE_SUSPECT_US 10000
/* A check compares with the one before only if that was no longer ago. */
#define PACE_LATELY_US  2000000

struct pace {
	uint32_t limit; /* 0 at first */
};

static inline size_t pace_limit(const struct pace *p, size_t len)
{
	const size_t limit = p->limit ? p->limit : PACE_LEAST;

	return len < limit ? len : limit;
}

/*
 * A read of pace_limit() bytes gave n and took `us`. True: let others have their turn first.
 */
static inline bool pace_took(struct pace *p, size_t n, uint64_t us)
{
	const uint32_t limit = p->limit ? p->limit : PACE_LEAST;

	if (us > PACE_SLOW_US)
		p->limit = limit > 2 * PACE_LEAST ? limit / 2 : PACE_LEAST;
	else if (n >= limit && us < PACE_QUICK_US)
		p->limit = limit < (1U << 20) ? 2 * limit : limit;
	return us > PACE_SLOW_US;
}

/* Are so many bytes of TCP enough to judge by? */
static inline bool pace_is_judged(uint64_t wire)
{
	return wire > (1 << 20);
}

/* `wire` bytes of TCP carried `plain` bytes of data: was it hardly anything but overhead? */
static inline bool pace_is_flood(uint64_t wire, uint64_t plain)
{
	return pace_is_judged(wire) && wire / 16 > plain;
}
