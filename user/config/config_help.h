/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the table of options, for people. */
#pragma once

#include <stdio.h>

/* The usage of a subcommand that takes all options. */
void config_write_usage(FILE *to, const char *subcommand);
/* The table of docs/configuration.md. */
void config_write_reference(FILE *to);
/* The lists of docs/man/kedge.yaml.5, in mdoc(7). */
void config_write_man(FILE *to);
