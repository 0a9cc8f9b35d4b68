/* SPDX-License-Identifier: BSD-2-Clause */
/* The mistakes in a command's options. See option_mistake.h. */
#include "daemon/option_mistake.h"

#include <getopt.h>
#include <string.h>

#include "base/log.h"
#include "config/config_suggest.h"

static void unknown(const char *command, const char *word, const struct option *options)
{
	struct suggestion s = {0};
	const char *name = word + strspn(word, "-");

	for (const struct option *o = options; o->name; o++)
		suggest(&s, name, strcspn(name, "="), o->name);
	if (s.name)
		log_error("%s: unknown option; did you mean --%s?", word, s.name);
	else
		log_error("%s: unknown option: see kedge %s --help", word, command);
}

void option_mistake(const char *command, int result, char **argv, const struct option *options)
{
	const char *word = argv[optind - 1];
	char letter[] = {'-', (char)optopt, '\0'};

	if (result == ':')
		log_error("%s: needs a value: see kedge %s --help", word, command);
	else if (!optopt)
		unknown(command, word, options);
	else if (!strncmp(word, "--", 2) && strchr(word, '='))
		log_error("%s: takes no value: see kedge %s --help", word, command);
	else
		unknown(command, letter, options);
}
