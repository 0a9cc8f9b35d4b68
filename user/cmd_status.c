/* kedge status: asks a running kedge for its counters. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#include "cmd.h"
#include "control.h"
#include "status.h"

int cmd_status(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"control", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *path = "/run/kedge/kedge.sock";
	bool as_json = false;
	json_t *status;
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (opt) {
		case 'j':
			as_json = true;
			break;
		case 'c':
			path = optarg;
			break;
		case 'h':
			printf("usage: kedge status [--json] [--control PATH]   (default %s)\n",
			       path);
			return EXIT_DONE;
		default:
			return EXIT_USAGE;
		}
	}
	status = control_ask(path, "status");
	if (!status)
		return EXIT_FAILED;
	if (as_json) {
		json_dumpf(status, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		status_print(stdout, status);
	}
	json_decref(status);
	return EXIT_DONE;
}
