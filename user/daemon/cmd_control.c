/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge status, kedge reload, kedge server: ask a running kedge over its control socket. */
#include <getopt.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/cmd.h"
#include "daemon/cmd_control.h"
#include "daemon/control.h"
#include "daemon/control_ask.h"
#include "daemon/option_mistake.h"
#include "daemon/reload.h"
#include "daemon/server_command.h"
#include "daemon/status_text.h"

/* Between the two looks of `kedge status`, for the requests a second. */
#define BETWEEN_MS 500

#define NO_MORE ((struct option){0})

struct args {
	const char *path; /* of the control socket; borrowed from argv */
	bool json, all;
	char **words; /* those that are no options; borrowed */
	int words_count;
};

/*
 * `words`: what the command takes besides the common options, for the usage. `more`: its other
 * option. -1 to go on, or the exit status (--help, a mistake).
 */
static int read_args(struct args *args, int argc, char **argv, const char *words,
		     struct option more)
{
	const bool takes_words = !strncmp(words, " [[", 3);
	const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"control", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		more,
		{NULL, 0, NULL, 0},
	};
	int opt;

	*args = (struct args){.path = CONTROL_PATH};
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		switch (opt) {
		case 'j':
			args->json = true;
			break;
		case 'a':
			args->all = true;
			break;
		case 'c':
			args->path = optarg;
			break;
		case 'h':
			printf("usage: kedge %s%s [--json] [--control PATH]   (default %s)\n",
			       argv[0], words, args->path);
			return EXIT_DONE;
		default:
			option_mistake(argv[0], opt, argv, options);
			return EXIT_USAGE;
		}
	}
	args->words = argv + optind;
	args->words_count = argc - optind;
	if (!takes_words && args->words_count) {
		log_error("%s: not an option: see kedge %s --help", argv[optind], argv[0]);
		return EXIT_USAGE;
	}
	return -1;
}

/* Asks, and prints the answer as JSON or with `print`, which returns whether the answer is good. */
static int ask(const char *command, const struct args *args, bool (*print)(const json_t *answer))
{
	json_t *answer = control_ask(args->path, command);
	bool ok;

	if (!answer)
		return EXIT_FAILED;
	if (args->json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
		/* An older kedge that does not know the command says so without "ok". */
		ok = !json_is_false(json_object_get(answer, "ok")) &&
		     !json_object_get(answer, "error");
	} else {
		ok = print(answer);
	}
	json_decref(answer);
	return ok ? EXIT_DONE : EXIT_FAILED;
}

/* Asks twice, to tell how many requests there are in a second. */
int cmd_status(int argc, char **argv)
{
	const struct option all = {"all", no_argument, NULL, 'a'};
	json_t *before, *now;
	char why[CONTROL_WHY];
	struct args args;
	int status = read_args(&args, argc, argv, " [--all]", all);

	if (status >= 0)
		return status;
	if (args.json)
		return ask("status", &args, NULL);
	before = control_ask(args.path, "status");
	if (!before)
		return EXIT_FAILED;
	setlocale(LC_CTYPE, "");
	poll(NULL, 0, BETWEEN_MS);
	now = control_try(args.path, "status", CONTROL_ANSWER_MS, why);
	if (now) /* else it has ended meanwhile: the first answer is the last word */
		status_print(stdout, now, before, args.all);
	else
		status_print(stdout, before, NULL, args.all);
	json_decref(now);
	json_decref(before);
	return EXIT_DONE;
}

int cmd_reload(int argc, char **argv)
{
	struct args args;
	int status = read_args(&args, argc, argv, "", NO_MORE);

	return status >= 0 ? status : ask("reload", &args, reload_print);
}

/* "server NAME ACTION", or "server"; false: that cannot be said in one line. */
static bool server_line(char line[CONTROL_LINE_MAX], const struct args *args)
{
	int n;

	if (args->words_count)
		n = snprintf(line, CONTROL_LINE_MAX, "server %s %s", args->words[0],
			     args->words[1]);
	else
		n = snprintf(line, CONTROL_LINE_MAX, "server");
	return n > 0 && n < CONTROL_LINE_MAX - 1 && !strchr(line, '\n');
}

int cmd_server(int argc, char **argv)
{
	char line[CONTROL_LINE_MAX];
	struct args args;
	int status =
		read_args(&args, argc, argv, " [[APPLICATION/]SERVER ready|drain|down]", NO_MORE);

	if (status >= 0)
		return status;
	if (args.words_count != 0 && args.words_count != 2) {
		log_error("kedge server takes a server and its new state (ready, drain or down), "
			  "or nothing: see kedge server --help");
		return EXIT_USAGE;
	}
	if (!server_line(line, &args)) {
		log_error("no server has such a name");
		return EXIT_USAGE;
	}
	setlocale(LC_CTYPE, "");
	return ask(line, &args, server_command_print);
}
