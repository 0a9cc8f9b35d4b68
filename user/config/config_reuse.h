/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what does not go together with app-reuse: shared. */
#pragma once

#include "config/config.h"
#include "config/config_options.h"

/*
 * The name of the option if it cannot be had as it is, with why[]; NULL: it can. A reload asks
 * again, because it keeps the old values of some options.
 */
const char *config_reuse_conflict(const struct conf *conf, char why[WHY_MAX]);
