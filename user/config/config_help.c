/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of options as text: the usage, the table of docs/configuration.md, and the lists of
 * docs/man/kedge.yaml.5. */
#include "config/config_help.h"

#include <ctype.h>
#include <string.h>

#include "config/config_options.h"

#define USAGE_COLUMN 30
#define USAGE_WIDTH  96
#define MAN_WIDTH    80 /* mandoc complains of more */

enum group { GROUP_LISTENER, GROUP_APP, GROUP_KEDGE };

static enum group group_of(const struct option_def *opt)
{
	switch (opt->scope) {
	case OPTION_LISTEN:
	case OPTION_LISTENER:
	case OPTION_OF_ROUTE:
		return GROUP_LISTENER;
	case OPTION_OF_APP:
	case OPTION_OF_ENTRY:
		return GROUP_APP;
	case OPTION_GLOBAL:
		break;
	}
	return GROUP_KEDGE;
}

/* "ADDR:PORT", "off|on" */
static const char *value_shape(const struct option_def *opt, char buf[WHY_MAX], const char *between)
{
	if (opt->arg)
		return opt->arg;
	option_format_words(buf, opt, between);
	return buf;
}

static const char *after_reload(const struct option_def *opt)
{
	return opt->restart ? "; a change needs a restart" : "";
}

/* Writes the words of text from this column on, in lines of this width. */
static void write_wrapped(FILE *to, const char *text, int begin, size_t width)
{
	size_t column = (size_t)begin;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (column > (size_t)begin && column + 1 + len > width) {
			fprintf(to, "\n%*s", begin, "");
			column = (size_t)begin;
		}
		column += (size_t)fprintf(to, "%s%.*s", column > (size_t)begin ? " " : "", (int)len,
					  text);
		text += len + strspn(text + len, " ");
	}
	fputc('\n', to);
}

static void write_usage_option(FILE *to, const struct option_def *opt)
{
	char flag[2 * WHY_MAX], shape[WHY_MAX], text[3 * WHY_MAX];
	const char *def = opt->text ? opt->text : opt->without;

	snprintf(flag, sizeof(flag), "  --%s %s", opt->name, value_shape(opt, shape, "|"));
	if (strlen(flag) + 2 > USAGE_COLUMN)
		fprintf(to, "%s\n%*s", flag, USAGE_COLUMN, "");
	else
		fprintf(to, "%-*s", USAGE_COLUMN, flag);
	if (def)
		snprintf(text, sizeof(text), "%s%s%s (default %s)", opt->help,
			 option_is_list(opt) ? "; repeatable" : "", after_reload(opt), def);
	else
		snprintf(text, sizeof(text), "%s%s (needed)", opt->help, after_reload(opt));
	write_wrapped(to, text, USAGE_COLUMN, USAGE_WIDTH);
}

/* Without what is no flag. */
static void write_usage_group(FILE *to, enum group group)
{
	for (size_t i = 0; i < config_options_count; i++)
		if (group_of(&config_options[i]) == group && !option_is_no_flag(&config_options[i]))
			write_usage_option(to, &config_options[i]);
}

/* What only kedge check has. Each stands alone. */
static void write_usage_of_check(FILE *to)
{
	fprintf(to, "%-*s", USAGE_COLUMN, "  --schema");
	write_wrapped(to, "prints a JSON schema of the file, for editors", USAGE_COLUMN,
		      USAGE_WIDTH);
	fprintf(to, "%-*s", USAGE_COLUMN, "  --reference");
	write_wrapped(to, "prints the tables of all options in Markdown", USAGE_COLUMN,
		      USAGE_WIDTH);
}

void config_write_usage(FILE *to, const char *subcommand)
{
	const bool check = !strcmp(subcommand, "check");

	fprintf(to, "usage: kedge %s [-c FILE] [OPTION [VALUE]]...\n", subcommand);
	if (check)
		fputs("       kedge check --schema\n       kedge check --reference\n", to);
	fputs("\n"
	      "  -c FILE                     reads this YAML file; its keys have the names "
	      "of the options,\n"
	      "                              options win over it; -: standard input\n"
	      "  --help                      this text\n",
	      to);
	if (check)
		write_usage_of_check(to);
	fputs("\n--OPTION=VALUE is the same as --OPTION VALUE. An option with the values "
	      "off and on is on\n"
	      "without a value: --strict-sni.\n\n"
	      "Listeners. Each --listen begins one; what follows it is for that one, what comes "
	      "before the\n"
	      "first --listen is for all of them:\n\n",
	      to);
	write_usage_group(to, GROUP_LISTENER);
	fputs("\nThe application. A file may have several, in apps:\n\n", to);
	write_usage_group(to, GROUP_APP);
	fputs("\nFor kedge as a whole:\n\n", to);
	write_usage_group(to, GROUP_KEDGE);
	fputs("\nExit status: 0 done, 1 failed, 2 a mistake in options or file.\n", to);
}

/* "FILE|off" as "`FILE`, `off`" */
static void write_alternatives(FILE *to, const char *arg)
{
	for (size_t n; *arg; arg += n) {
		n = strcspn(arg, "|");
		fprintf(to, "`%.*s`%s", (int)n, arg, arg[n] ? ", " : "");
		n += arg[n] == '|';
	}
}

/* "`off`, `optional`, `require`", "`CIDR`, repeatable", "1 to 86400000" */
static void write_values(FILE *to, const struct option_def *opt)
{
	char shape[WHY_MAX];

	if (opt->kind == OPTION_NUMBER)
		fprintf(to, "%u to %u", opt->min, opt->max);
	else if (opt->arg && strchr(opt->arg, '|')) {
		write_alternatives(to, opt->arg);
		fputs(option_is_list(opt) ? ", list" : "", to);
	} else
		fprintf(to, "`%s`%s", value_shape(opt, shape, "`, `"),
			option_is_list(opt) ? ", list" : "");
}

static void write_rows(FILE *to, enum group group)
{
	fputs("| option | values | default | unit | effect |\n|---|---|---|---|---|\n", to);
	for (size_t i = 0; i < config_options_count; i++) {
		const struct option_def *opt = &config_options[i];

		if (group_of(opt) != group)
			continue;
		fprintf(to, "| `%s` | ", opt->name);
		write_values(to, opt);
		if (opt->text)
			fprintf(to, " | `%s`", opt->text);
		else
			fprintf(to, " | %s", opt->without ? opt->without : "needed");
		fprintf(to, " | %s | %s%s |\n", opt->unit ? opt->unit : "-", opt->help,
			after_reload(opt));
	}
}

void config_write_reference(FILE *to)
{
	fputs("### Of a listener\n\n", to);
	write_rows(to, GROUP_LISTENER);
	fputs("\n### Of an application\n\n", to);
	write_rows(to, GROUP_APP);
	fputs("\n### Of kedge as a whole\n\n", to);
	write_rows(to, GROUP_KEDGE);
}

/* A word that is written as it is, such as "off". */
static bool is_literal(const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!islower((unsigned char)word[i]))
			return false;
	return true;
}

/* "ADDR:PORT|unix:PATH|off" */
static void write_man_alternatives(FILE *to, const char *arg)
{
	const char *between = " :";

	for (size_t n; *arg; arg += n) {
		n = strcspn(arg, "|");
		fputs(between, to);
		if (!strncmp(arg, "unix:PATH", n))
			fputs(" Cm unix : Ns Ar PATH", to);
		else
			fprintf(to, " %s %.*s", is_literal(arg, n) ? "Cm" : "Ar", (int)n, arg);
		between = " |";
		n += arg[n] == '|';
	}
}

/* "off | on", ".Ar CIDR", "1 to 64", as macro lines behind ".It Cm NAME". */
static void write_man_values(FILE *to, const struct option_def *opt)
{
	char shape[WHY_MAX];

	if (opt->kind == OPTION_NUMBER)
		fprintf(to, " : %u to %u", opt->min, opt->max);
	else if (opt->arg && strchr(opt->arg, '|'))
		write_man_alternatives(to, opt->arg);
	else if (opt->arg)
		fprintf(to, " : Ar %s", opt->arg);
	else
		fprintf(to, " : Cm %s", value_shape(opt, shape, " | "));
	fputc('\n', to);
}

static void write_man_rows(FILE *to, enum group group)
{
	char text[3 * WHY_MAX];

	fputs(".Bl -tag -width Ds\n", to);
	for (size_t i = 0; i < config_options_count; i++) {
		const struct option_def *opt = &config_options[i];

		if (group_of(opt) != group)
			continue;
		fprintf(to, ".It Cm %s", opt->name);
		write_man_values(to, opt);
		snprintf(text, sizeof(text), "%c%s.", option_initial(opt), opt->help + 1);
		write_wrapped(to, text, 0, MAN_WIDTH);
		if (option_is_list(opt))
			fputs("A list.\n", to);
		if (opt->text)
			fprintf(to, "Default:\n.Cm %s%s%s .\n", opt->text, opt->unit ? " " : "",
				opt->unit ? opt->unit : "");
		else
			fprintf(to, "%s%s.\n", opt->without ? "Default: " : "It must be given",
				opt->without ? opt->without : "");
	}
	fputs(".El\n", to);
}

void config_write_man(FILE *to)
{
	fputs(".Sh KEYS OF A LISTENER\n", to);
	write_man_rows(to, GROUP_LISTENER);
	fputs(".Sh KEYS OF AN APPLICATION\n", to);
	write_man_rows(to, GROUP_APP);
	fputs(".Sh KEYS OF KEDGE AS A WHOLE\n", to);
	write_man_rows(to, GROUP_KEDGE);
}
