/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: which keys the mappings of a file have, and what is said of an unknown one. */
#pragma once

#include <stddef.h>

#include "config/config_table.h"

/*
 * The mappings: the file itself, an entry of `listeners`, one of its `routes`, one of `certs`, one
 * of `apps`, and a `check`, whose keys are the options check-path and so on, without "check-".
 */
enum config_level { LEVEL_TOP, LEVEL_LISTENER, LEVEL_ROUTE, LEVEL_CERT, LEVEL_APP, LEVEL_CHECK };

/* A key is a row of the table, or one of four that hold further mappings. */
#define KEY_CERTS     CONFIG_OPTIONS_MAX
#define KEY_LISTENERS (CONFIG_OPTIONS_MAX + 1)
#define KEY_APPS      (CONFIG_OPTIONS_MAX + 2)
#define KEY_ROUTES    (CONFIG_OPTIONS_MAX + 3)
#define KEYS_MAX      (CONFIG_OPTIONS_MAX + 4)

/* NULL: this level has no such key. */
const char *key_name(enum config_level level, size_t key);

/* The key of this name; KEYS_MAX: the level has none. */
size_t key_find(enum config_level level, const char *name, size_t len);

/*
 * "unknown key; did you mean workers?": names the key that was probably meant, the place where a
 * known key belongs, or all keys of the level.
 */
#define KEY_WHY_MAX 2048
void key_explain(char why[KEY_WHY_MAX], enum config_level level, const char *name, size_t len);
