/* Arguments of kedge status and its like. See control_args.h. */
#include "control_args.h"

#include <getopt.h>
#include <stdio.h>

#include "cmd.h"

int control_read_args(struct control_args *args, int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"control", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	*args = (struct control_args){.path = "/run/kedge/kedge.sock"};
	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (opt) {
		case 'j':
			args->json = true;
			break;
		case 'c':
			args->path = optarg;
			break;
		case 'h':
			printf("usage: kedge %s [--json] [--control PATH]   (default %s)\n",
			       argv[0], args->path);
			return EXIT_DONE;
		default:
			return EXIT_USAGE;
		}
	}
	return -1;
}
