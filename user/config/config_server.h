/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the text of one server: "ADDR:PORT", "NAME:PORT" or "unix:PATH". */
#pragma once

#include "config/config.h"
#include "config/config_why.h"

/*
 * Fills in all of *out but `backup`; the caller owns out->host. 0; -EINVAL or -ENOMEM with why[],
 * and *out is as it was.
 */
int config_server_parse(struct conf_server *out, const char *text, char why[WHY_MAX]);

/* Does the text have the shape of a server, and not that of the name of an application? */
bool config_server_like(const char *text);
