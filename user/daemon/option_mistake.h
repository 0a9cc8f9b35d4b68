/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what getopt_long(3) does not take. Says so, and which option was probably meant. */
#pragma once

struct option;

/*
 * After getopt_long() with `opterr` 0 has returned '?' (or ':', if the list of letters begins so).
 * `command` is its name, for "see kedge COMMAND --help".
 */
void option_mistake(const char *command, int result, char **argv, const struct option *options);
