/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the servers of all applications, as JSON and as text. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "listen/generation.h"

/*
 * A new array, NULL when out of memory: for each application `application` and `servers`, each of
 * which has
 *
 *   server       its name in the configuration
 *   state        server_state()
 *   health       by the checks: "unchecked", "good" or "bad"
 *   backup       whether it is one
 *   checked      whether it is checked
 *   connections  open now
 *   busy         of these, with something under way
 *   legs         connections that were made, ever
 *   failed       that could not be made
 *   cause        why it is down or out; not there if it is neither
 *   since_ms     for how long it has been in its state; not there if it never had another
 */
json_t *status_servers_json(const struct generation *g);

/* "web/127.0.0.1:3000", or the server's name alone if the application has no name of its own. */
#define STATUS_SERVER_NAME (2 * CONFIG_SERVER_NAME_SIZE)
void status_server_name(char buf[STATUS_SERVER_NAME], const char *application, const char *server);

/* The array for people: a row for each server, or one line if there is only one, not checked. */
void status_servers_print(FILE *to, const json_t *applications);
