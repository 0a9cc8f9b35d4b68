/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the bytes of a configuration: a file's, or those that came on standard input. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "config/config_mistakes.h"

/* What -c names to have standard input read, and what messages call it. */
#define CONFIG_STDIN      "-"
#define CONFIG_STDIN_NAME "stdin"

/* A larger file is a mistake. */
#define CONFIG_BYTES_MAX (1u << 20)

/*
 * Reads all of it. Standard input is read once in the life of the process: later calls get the same
 * bytes, after a warning. *out is owned by the caller. Returns 0; 1 after a mistake; -ENOMEM.
 */
int config_source_read(uint8_t **out, size_t *len, const char *file, struct mistakes *m);
