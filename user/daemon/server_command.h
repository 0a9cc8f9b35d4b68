/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what `kedge server` asks a running kedge: to list its servers, or to change one. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "listen/generation.h"

/*
 * By the main thread. `args` is what followed "server " in the command: nothing, for a list; or
 * "NAME ACTION", with the action `ready`, `drain` or `down`, and APPLICATION/SERVER as the name.
 * SERVER alone is enough if only one application has it. A new reference, or NULL when out of
 * memory:
 *
 *   ok            whether it was done, or listed
 *   error         why not
 *   applications  status_servers_json(); after a change, only the server that was changed
 *   lines         warnings
 *
 * What an operator wants of a server survives reloads, not restarts.
 */
json_t *server_command(const struct generation *g, const char *args);

/* Prints the answer for people: errors to standard error. True if ok. */
bool server_command_print(const json_t *answer);
