/* kedge status: asks a running kedge for its counters. */
#include <stdio.h>

#include "cmd.h"
#include "control.h"
#include "control_args.h"
#include "status.h"

int cmd_status(int argc, char **argv)
{
	struct control_args args;
	json_t *status;
	int done = control_read_args(&args, argc, argv);

	if (done >= 0)
		return done;
	status = control_ask(args.path, "status");
	if (!status)
		return EXIT_FAILED;
	if (args.json) {
		json_dumpf(status, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		status_print(stdout, status);
	}
	json_decref(status);
	return EXIT_DONE;
}
