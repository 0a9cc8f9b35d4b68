/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: loads a configuration, from a YAML file and from flags, and checks it whole before
 * anything starts.
 *
 *   config_flags.c     argv       -> settings: texts, each with its place
 *   config_file.c      the file   -> settings, over the events of config_yaml.c
 *   config_keys.c      the keys of the file
 *   config_suggest.c   the name that was probably meant
 *   config_settings.c  settings
 *   config_mistakes.c  how a mistake is reported
 *   config_table.c     the one table of options
 *   config_options.c   one text   -> one checked field
 *   config_server.c    one text   -> one server
 *   config_why.c       why a value is refused
 *   config_fill.c      settings   -> the fields of one struct
 *   config_apps.c      settings   -> the applications
 *   config_build.c     settings   -> struct conf, cross-checks
 *   config_guard.c     what the guard needs of listeners
 *   config_family.c    hosts without IPv6
 *   config_unix.c      what does not go together with unix sockets
 *   config_diff.c      two confs  -> what a reload changes
 *   config_help.c      the table  -> usage, reference table of docs/configuration.md
 *   config_load.c      the order of these steps
 *   config.c           struct conf, and how it is freed
 */
#pragma once

#include "config/config.h"

/*
 * Reads the arguments of `kedge run` or `kedge check` (argv[0] is the subcommand) and the file that
 * -c names. Flags win over the file. Returns 0 with *out, which the caller frees. Returns -EINVAL
 * after logging one line for every mistake, with file, line, value and what is allowed. `--help`
 * prints the usage and returns 1. *out is unchanged unless 0 is returned.
 */
int config_load(struct conf **out, int argc, char **argv);
