/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: what this thread logs, instead of standard error. */
#pragma once

#include <string.h>

/* Every line since heard_begin(), without "kedge: ", each with a newline; as many as fit. */
extern char heard[16384];
/* How many there were. */
extern unsigned heard_lines;

/* From now on, with nothing heard yet. Also in the middle, to forget what was heard. */
void heard_begin(void);
/* Logging goes to standard error again. How many lines were heard. */
unsigned heard_end(void);

/* The last line; "" if there is none. */
const char *heard_last(void);

/* This text is in what was heard; with cmocka. */
#define assert_heard(text)                                                \
	do {                                                              \
		const char *want_ = (text);                               \
		if (!strstr(heard, want_))                                \
			fail_msg("expected \"%s\" in: %s", want_, heard); \
	} while (0)
