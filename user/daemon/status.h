/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the state of a running kedge as JSON. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "daemon/daemon.h"

/* How many client connections are open now. */
uint64_t status_open(const struct daemon *d);

/*
 * What `kedge status --json` shows. A new reference, NULL when out of memory. Members are added,
 * and keep their names and their meaning.
 */
json_t *status_json(const struct daemon *d);
