/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: capabilities that worked at startup and fail later: another program claims the
 * sockets, a map is full, a link is detached. There is one table for the process. It keeps the
 * numbers and the time of the next try, and writes the lines. The fallback is the caller's work.
 *
 *   if (capability_try(CAPABILITY_EDIT, now))   ask before each use
 *           r = ...;
 *   r ? capability_failed(CAPABILITY_EDIT, r, now) : capability_worked(CAPABILITY_EDIT, now);
 *
 * Safe from any thread. Without a loss, each of the three costs one load.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum capability {
	CAPABILITY_RECORD,
	CAPABILITY_EDIT,
	CAPABILITY_BYPASS,
	CAPABILITY_PEERNAME,
	CAPABILITY_COUNT,
};

/*
 * Resets the state. `required` means that there is no fallback: each use is a try, and the line
 * says so.
 */
void capability_start(enum capability c, bool required);
bool capability_required(enum capability c);

/*
 * May it be used now? True while it works. After a loss, true for one caller each time a try is
 * due; the other callers use their fallback and are counted.
 */
bool capability_try(enum capability c, uint64_t now_ms);

/*
 * A use failed with `err`, an errno of either sign. ENOLINK means that its program is detached:
 * that loss is final.
 */
void capability_failed(enum capability c, int err, uint64_t now_ms);

/* A use succeeded. */
void capability_worked(enum capability c, uint64_t now_ms);

struct capability_state {
	int err;           /* 0: works, as far as anybody has tried */
	uint64_t since_ms; /* when it was lost */
	uint64_t losses;   /* times that it was lost */
	uint64_t without;  /* flows that used the fallback, or were refused */
};
void capability_read(enum capability c, struct capability_state *out);

static inline bool capability_is_lost(enum capability c)
{
	struct capability_state s;

	capability_read(c, &s);
	return s.err != 0;
}

const char *capability_name(enum capability c);

/* The cause ("another program has the socket (Device or resource busy)") and the next step. */
const char *capability_cause(char *buf, size_t size, int err);
const char *capability_next(int err);
