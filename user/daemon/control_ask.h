/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the client's end of the control socket: one command, one answer. Whatever listens
 * there, an answer that is returned is one that kedge gives to this command.
 */
#pragma once

#include <jansson.h>

/*
 * A new reference, or NULL after a logged line. A line says so if the answer does not come at once.
 */
json_t *control_ask(const char *path, const char *command);

/*
 * The same without the line: on NULL, `why` has it. Waits for so long for the whole answer, or
 * until a signal comes.
 */
#define CONTROL_WHY 512
json_t *control_try(const char *path, const char *command, unsigned ms, char why[CONTROL_WHY]);

/* As long as control_ask() waits: a reload reads files. */
#define CONTROL_ANSWER_MS 30000
