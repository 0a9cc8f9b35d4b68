/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the state of a running kedge as JSON and as text. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "daemon/daemon.h"

/* What `kedge status` shows. A new reference, NULL when out of memory. */
json_t *status_json(const struct daemon *d);

/* The same for people. */
void status_print(FILE *to, const json_t *status);
