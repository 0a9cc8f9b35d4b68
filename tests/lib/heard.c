/* SPDX-License-Identifier: BSD-2-Clause */
/* See heard.h. */
#include "heard.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

char heard[16384];

static void hear(struct log_tap *tap, enum log_level level, const char *line)
{
	size_t len = strlen(heard);

	snprintf(heard + len, sizeof(heard) - len, "%s\n", line + strlen("kedge: "));
}

static struct log_tap tap = {.hear = hear, .quiet = true};

void heard_begin(void)
{
	heard[0] = '\0';
	log_set_tap(&tap);
}

void heard_end(void)
{
	log_set_tap(NULL);
}
