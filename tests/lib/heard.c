/* SPDX-License-Identifier: BSD-2-Clause */
/* See heard.h. */
#include "heard.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

char heard[16384];
unsigned heard_lines;
static size_t last; /* where it begins */

static void hear(struct log_tap *tap, enum log_level level, const char *line)
{
	(void)tap;
	(void)level;
	last = strlen(heard);
	snprintf(heard + last, sizeof(heard) - last, "%s\n", line + strlen("kedge: "));
	heard_lines++;
}

static struct log_tap tap = {.hear = hear, .quiet = true};

void heard_begin(void)
{
	heard[0] = '\0';
	heard_lines = 0;
	last = 0;
	log_set_tap(&tap);
}

unsigned heard_end(void)
{
	log_set_tap(NULL);
	return heard_lines;
}

const char *heard_last(void)
{
	return heard + last;
}
