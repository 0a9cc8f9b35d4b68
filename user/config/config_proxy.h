/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what does not go together with send-proxy. */
#pragma once

#include "config/config.h"
#include "config/config_options.h"

/*
 * The name of an option that cannot be had as it is, with why[]; NULL: there is none. A reload asks
 * again, because it keeps the old values of some options.
 */
const char *config_proxy_conflict(const struct conf *conf, char why[WHY_MAX]);
