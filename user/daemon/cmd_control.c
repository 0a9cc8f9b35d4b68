/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge status, kedge reload: ask a running kedge over its control socket. */
#include <getopt.h>
#include <stdio.h>

#include "base/log.h"
#include "daemon/cmd.h"
#include "daemon/cmd_control.h"
#include "daemon/control.h"
#include "daemon/reload.h"
#include "daemon/status.h"

struct args {
	const char *path; /* of the control socket; borrowed from argv */
	bool json;
};

/* -1 to go on, or the exit status (--help, a mistake). */
static int read_args(struct args *args, int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"control", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	*args = (struct args){.path = "/run/kedge/kedge.sock"};
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
	if (optind < argc) {
		log_error("%s: not an option: see kedge %s --help", argv[optind], argv[0]);
		return EXIT_USAGE;
	}
	return -1;
}

/* Asks, and prints the answer as JSON or with `print`, which returns whether the answer is good. */
static int ask(const char *command, int argc, char **argv, bool (*print)(const json_t *answer))
{
	struct args args;
	json_t *answer;
	bool ok;
	int status = read_args(&args, argc, argv);

	if (status >= 0)
		return status;
	answer = control_ask(args.path, command);
	if (!answer)
		return EXIT_FAILED;
	if (args.json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
		ok = !json_is_false(json_object_get(answer, "ok"));
	} else {
		ok = print(answer);
	}
	json_decref(answer);
	return ok ? EXIT_DONE : EXIT_FAILED;
}

static bool print_status(const json_t *answer)
{
	status_print(stdout, answer);
	return true;
}

int cmd_status(int argc, char **argv)
{
	return ask("status", argc, argv, print_status);
}

int cmd_reload(int argc, char **argv)
{
	return ask("reload", argc, argv, reload_print);
}
