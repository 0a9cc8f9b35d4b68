/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge: the table of subcommands. No logic. */
#include <stdio.h>
#include <string.h>

#include "base/std_streams.h"
#include "daemon/cmd.h"
#include "daemon/cmd_check.h"
#include "daemon/cmd_control.h"
#include "daemon/cmd_probe.h"
#include "daemon/cmd_run.h"
#include "tls/openssl_memory.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"run", cmd_run, "take connections (kedge run --help lists the options)"},
	{"probe", cmd_probe, "try what this kernel can do: [--json] [--cgroup DIR] [--speed]"},
	{"check", cmd_check, "read a configuration and say what is wrong: -c FILE"},
	{"reload", cmd_reload, "let a running kedge read its configuration anew: [--control PATH]"},
	{"server", cmd_server,
	 "list the servers of a running kedge, or change one: [[APP/]SERVER ready|drain|down]"},
	{"status", cmd_status, "counters of a running kedge: [--json] [--control PATH]"},
};

static int usage(FILE *to)
{
	fprintf(to, "usage: kedge COMMAND [OPTION]...\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].help);
	fprintf(to, "  %-8s %s\n", "--version", "print the version");
	return to == stdout ? EXIT_DONE : EXIT_USAGE;
}

int main(int argc, char **argv)
{
	if (std_streams_open() < 0) /* there is nobody to tell */
		return EXIT_FAILED;
	if (!openssl_memory_init()) {
		fprintf(stderr, "kedge: error: OpenSSL does not let its memory be wiped: something "
				"loaded before kedge has used it\n");
		return EXIT_FAILED;
	}
	if (argc < 2)
		return usage(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return usage(stdout);
	if (!strcmp(argv[1], "--version")) {
		printf("kedge %s\n", KEDGE_VERSION);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "kedge: error: there is no command \"%s\"\n", argv[1]);
	return usage(stderr);
}
