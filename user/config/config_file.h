/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the configuration file into settings. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "config/config_mistakes.h"
#include "config/config_settings.h"
#include "config/config_source.h"

/*
 * Entries of a list of texts, and certificates of a listener or of all: far above any use, so that
 * a file cannot ask for much more memory than it has bytes.
 */
#define CONFIG_ENTRIES_MAX 4096
#define CONFIG_CERTS_MAX   64

/*
 * Reads the file, or standard input if it is CONFIG_STDIN, into `to`, which is empty. Mistakes are
 * counted; a file that cannot be read is one. Returns 0: `to` has all its settings, without those
 * of unknown keys. 1: after a mistake that makes the whole file useless; `to` is empty. -ENOMEM.
 */
int config_read_file(struct settings *to, const char *file, struct mistakes *m);

/* The same from bytes in memory (NUL not needed). `file` is for the messages, and borrowed. */
int config_read_yaml(struct settings *to, const char *file, const uint8_t *bytes, size_t len,
		     struct mistakes *m);
