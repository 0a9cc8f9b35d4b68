/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: listeners whose requests come back to them: the application of one is a listener of
 * the same configuration, and so on, in a circle. Each request would go round until something runs
 * out. Another spelling of an address leads to the same listener.
 */
#pragma once

#include <stddef.h>

#include "config/config.h"

/*
 * Finds a circle that begins at this listener and has no lower one. 1: *text, to be freed, names
 * all of it; 0: there is none; -ENOMEM. Servers that are not resolved yet lead nowhere.
 */
int config_loop_of(const struct conf *conf, size_t listener, char **text);

/* Logs every circle, for when names are resolved. 0, -ELOOP, or -ENOMEM. */
int config_loop_check(const struct conf *conf);
