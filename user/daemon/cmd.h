/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: exit statuses of the subcommands, each of which has a header of its own. A subcommand
 * gets its name in argv[0] and returns its exit status.
 */
#pragma once

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
