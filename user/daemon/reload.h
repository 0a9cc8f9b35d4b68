/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: puts the changed configuration of a running kedge in force. Everything that can fail
 * comes first (the file, certificates and keys, memory, sockets of new listeners). Then every
 * worker gets its new listeners, or none does. A connection keeps the configuration it began with.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "daemon/daemon.h"

/*
 * By the main thread. A new reference, or NULL when out of memory:
 *
 *   ok          whether it was done; otherwise nothing is changed
 *   generation  the number of the configuration that is in force now
 *   changed     one text for each key or listener that is not as it was
 *   restart     one text for each key that keeps its value until kedge is started again
 *   lines       what was said about it: as `kedge check` says it, where the file is at fault
 *
 * The same is said on standard error.
 */
json_t *reload(struct daemon *d);

/*
 * Prints the answer for people: errors to standard error, the rest to standard output. Errors are
 * one line if standard error is the journal, which has them already. True if ok.
 */
bool reload_print(const json_t *answer);
