/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: from one text to one checked field, for a flag and for a key alike. */
#pragma once

#include <stddef.h>

#include "config/config_table.h"
#include "config/config_why.h"

/* By name; NULL: there is none. */
const struct option_def *option_find(const char *name, size_t name_len);

/*
 * Checks text and stores it in the option's field of `base`, at `offset` (see scope). A list grows
 * by one. `pair` is the index in certs, for OPTION_CERT. Returns 0; -EINVAL with why[] ("\"maybe\"
 * is not one of off, on"); -ENOMEM with why[]. The field is unchanged on failure.
 */
int option_set(const struct option_def *opt, void *base, size_t offset, const char *text,
	       size_t pair, char why[WHY_MAX]);

/* A name of `apps`. 0, or -EINVAL with why[]. */
#define CONFIG_APP_NAME_MAX 63
int option_check_app_name(const char *text, char why[WHY_MAX]);

/* "off, optional, require" */
void option_format_words(char buf[WHY_MAX], const struct option_def *opt, const char *between);
