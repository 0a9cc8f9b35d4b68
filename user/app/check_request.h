/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what a check by HTTP sends. Pure. */
#pragma once

#include <stddef.h>

#include "config/config.h"

/*
 * A whole GET request to this server of the application, *len bytes, to be freed by the caller. It
 * begins with a PROXY header (LOCAL, or UNKNOWN) if the application expects one.
 * NULL when out of memory.
 */
char *check_request(size_t *len, const struct conf_app *app, const struct conf_server *server);
