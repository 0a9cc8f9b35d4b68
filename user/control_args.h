/* user only: the arguments of the subcommands that ask a running kedge. */
#pragma once

#include <stdbool.h>

struct control_args {
	const char *path; /* of the control socket; borrowed from argv */
	bool json;
};

/* Reads [--json] [--control PATH]. -1 to go on, or the exit status (--help, a mistake). */
int control_read_args(struct control_args *args, int argc, char **argv);
