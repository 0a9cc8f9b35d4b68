/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge: the table of subcommands. No logic. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/std_streams.h"
#include "config/config_suggest.h"
#include "daemon/cmd.h"
#include "daemon/cmd_check.h"
#include "daemon/cmd_control.h"
#include "daemon/cmd_probe.h"
#include "daemon/cmd_run.h"
#include "daemon/cmd_top.h"
#include "tls/openssl_memory.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"run", cmd_run, "take connections: [-c FILE] [OPTION [VALUE]]..."},
	{"probe", cmd_probe, "try what this kernel can do: [--json] [--cgroup DIR] [--speed]"},
	{"check", cmd_check,
	 "read a configuration and say what is wrong: [-c FILE] [OPTION [VALUE]]..."},
	{"reload", cmd_reload,
	 "let a running kedge read its configuration anew: [--json] [--control PATH]"},
	{"server", cmd_server,
	 "list or change servers: [[APP/]SERVER ready|drain|down]"
	 " [--json] [--control PATH]"},
	{"status", cmd_status, "what a running kedge does: [--all] [--json] [--control PATH]"},
	{"top", cmd_top,
	 "the same, live: [--interval SECONDS] [--batch] [--count N] [--control PATH]"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int usage(FILE *to)
{
	fprintf(to, "usage: kedge COMMAND [OPTION]...\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].help);
	fprintf(to, "  %-8s %s\n", "help",
		"this list; kedge help COMMAND: the options of a command");
	fprintf(to, "  %-8s %s\n", "version", "print the version");
	return to == stdout ? EXIT_DONE : EXIT_USAGE;
}

static int version(void)
{
	printf("kedge %s\n", KEDGE_VERSION);
	return EXIT_DONE;
}

static int unknown(const char *name)
{
	struct suggestion s = {0};

	for (size_t i = 0; i < COMMANDS; i++)
		suggest(&s, name, strlen(name), commands[i].name);
	if (s.name)
		log_error("there is no command \"%s\"; did you mean %s?", name, s.name);
	else
		log_error("there is no command \"%s\": see kedge help", name);
	return EXIT_USAGE;
}

static int run_named(int argc, char **argv)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(argv[0], commands[i].name))
			return commands[i].run(argc, argv);
	return unknown(argv[0]);
}

static bool is_any(const char *arg, const char *a, const char *b, const char *c)
{
	return !strcmp(arg, a) || !strcmp(arg, b) || !strcmp(arg, c);
}

/* kedge help COMMAND is kedge COMMAND --help. */
static int help(int argc, char **argv)
{
	char *of_command[] = {argc > 2 ? argv[2] : NULL, (char[]){"--help"}, NULL};

	if (argc > 3) {
		log_error("help: %s: one command at a time", argv[3]);
		return EXIT_USAGE;
	}
	if (argc < 3 || is_any(argv[2], "help", "version", "--help"))
		return usage(stdout);
	return run_named(2, of_command);
}

/* What was printed is in a buffer until now: on a full disk half of it may be all there is. */
static int printed(int status)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	log_emit(LOG_LEVEL_ERROR, errno, "standard output: not all of it could be written");
	return status == EXIT_DONE ? EXIT_FAILED : status;
}

static int command(int argc, char **argv)
{
	if (!openssl_memory_init()) {
		log_error("OpenSSL does not let its memory be wiped: something loaded before kedge "
			  "has used it");
		return EXIT_FAILED;
	}
	if (argc < 2)
		return usage(stderr);
	if (is_any(argv[1], "help", "--help", "-h"))
		return help(argc, argv);
	if (is_any(argv[1], "version", "--version", "-V"))
		return version();
	return run_named(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	if (std_streams_open() < 0) /* there is nobody to tell */
		return EXIT_FAILED;
	return printed(command(argc, argv));
}
