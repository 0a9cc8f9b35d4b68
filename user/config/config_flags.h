/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: argv into settings. */
#pragma once

#include <stdbool.h>

#include "config/config_mistakes.h"
#include "config/config_settings.h"

/*
 * Adds the flags to `to`. *file: what -c names (borrowed from argv), else unchanged. *help: set to
 * true if --help is among them. Mistakes are counted. Returns 0; 1 after a mistake that may have
 * been meant to name the file; -ENOMEM.
 */
int config_read_flags(struct settings *to, int argc, char **argv, const char **file, bool *help,
		      struct mistakes *m);
