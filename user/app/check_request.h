/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what a check sends. Pure. */
#pragma once

#include <stddef.h>

#include "config/config.h"

/*
 * What a check of this server of the application sends once it is connected, *len bytes, to be
 * freed by the caller: a PROXY header (LOCAL, or UNKNOWN) if the application expects one, and by
 * HTTP a whole GET request. By TCP that may be nothing. NULL when out of memory.
 */
char *check_request(size_t *len, const struct conf_app *app, const struct conf_server *server);
