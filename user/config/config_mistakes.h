/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: where something was written, and how a mistake in it is reported. */
#pragma once

/* Mistakes shown. The rest are only counted. */
#define CONFIG_MISTAKES_MAX 64

struct place {
	const char *file; /* borrowed; NULL: a flag */
	int line;         /* from 1; 0: unknown, or a flag */
	char *path;       /* "listeners[0].trust[1]" or "--trust" */
};

struct mistakes {
	unsigned count;
};

/* Logs one mistake in one line and counts it. Above CONFIG_MISTAKES_MAX it only counts. */
void mistake(struct mistakes *m, const struct place *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Logs a warning in the same form. It is not counted. */
void config_warn(const struct place *at, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
