/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the state of a running kedge for people, within 80 columns. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * Writes what status_json() made. `before`: the same, some time earlier, for the requests a second;
 * NULL: without them. `all`: what is 0, too.
 */
void status_print(FILE *to, const json_t *status, const json_t *before, bool all);
