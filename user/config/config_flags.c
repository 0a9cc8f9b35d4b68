/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flags into settings. Not getopt_long(3): it accepts abbreviations, and here an option's meaning
 * depends on the --listen before it.
 */
#include "config/config_flags.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "config/config_options.h"
#include "config/config_suggest.h"

struct flags {
	struct settings *to;
	struct mistakes *m;
	const char **file;
	bool file_unknown;  /* a mistake may have been meant to name it */
	size_t certs, keys; /* seen since the last --listen */
};

/* The n-th cert and the n-th key are a pair. An OCSP response is for the cert before it. */
static size_t pair_of(struct flags *f, const struct option_def *opt)
{
	if (!strcmp(opt->name, "cert"))
		return f->certs++;
	if (!strcmp(opt->name, "key"))
		return f->keys++;
	return f->certs ? f->certs - 1 : 0;
}

static bool is_common(const struct option_def *opt)
{
	return opt->common || (opt->scope != OPTION_LISTENER && opt->scope != OPTION_LISTEN);
}

/* Stores `--name text` for the current listener, or outside of one. */
static int add_flag(struct flags *f, const struct option_def *opt, char *flag, char *text)
{
	struct setting written = {.opt = opt, .app = -1, .text = text, .place.path = flag};
	char name[ADDR_TEXT_MAX];
	int err;

	if (opt->scope == OPTION_LISTEN) {
		f->certs = f->keys = 0;
		snprintf(name, sizeof(name), "%s %s", flag, text);
		err = settings_add_listener(f->to, &(struct place){.path = name});
		if (err)
			return err;
	}
	written.listener = is_common(opt) ? -1 : (int)f->to->listeners_count - 1;
	if (opt->kind == OPTION_CERT)
		written.pair = pair_of(f, opt);
	return settings_add(f->to, &written);
}

/* arg does not begin with "--" and a name. */
static void say_not_an_option(struct flags *f, char *arg)
{
	const struct place at = {.path = arg};

	if (arg[0] == '-') {
		mistake(f->m, &at, "not an option: see --help");
		return;
	}
	mistake(f->m, &at, "not an option: a file is given as -c FILE");
	f->file_unknown = true;
}

static void say_unknown_option(struct flags *f, const struct place *at, const char *name,
			       size_t name_len)
{
	static const char *const names_of_c[] = {"config", "conf", "file"};
	struct suggestion s = {0};

	for (size_t i = 0; i < sizeof(names_of_c) / sizeof(names_of_c[0]); i++) {
		if (strlen(names_of_c[i]) != name_len || memcmp(names_of_c[i], name, name_len))
			continue;
		mistake(f->m, at, "unknown option: a file is given as -c FILE");
		f->file_unknown = true;
		return;
	}
	for (size_t i = 0; i < config_options_count; i++)
		if (!option_is_no_flag(&config_options[i]))
			suggest(&s, name, name_len, config_options[i].name);
	if (s.name)
		mistake(f->m, at, "unknown option; did you mean --%s?", s.name);
	else
		mistake(f->m, at, "unknown option: see --help");
}

/* "--strict-sni" alone is "--strict-sni on". */
static char *value_of(const struct option_def *opt, int argc, char **argv, int *taken)
{
	static char on[] = "on";
	const bool next_is_option =
		argc < 2 || !strncmp(argv[1], "--", 2) || !strcmp(argv[1], "-c");

	*taken = next_is_option ? 1 : 2;
	if (!next_is_option)
		return argv[1];
	return opt->kind == OPTION_BOOL ? on : NULL;
}

/* Reads argv[0]: "--name", with its value in argv[1], or "--name=value". Returns how many arguments
 * it used, or -ENOMEM. */
static int read_long(struct flags *f, int argc, char **argv)
{
	struct place at = {.path = argv[0]};
	const char *name = argv[0] + 2;
	char *equals = strchr(name, '='), flag[64];
	size_t name_len = equals ? (size_t)(equals - name) : strlen(name);
	const struct option_def *opt = option_find(name, name_len);
	char *value = equals ? equals + 1 : NULL;
	int err, taken = 1;

	if (!opt || option_is_no_flag(opt)) {
		say_unknown_option(f, &at, name, name_len);
		/* Its value, if there is one, is not another mistake. */
		return !equals && argc > 1 && argv[1][0] != '-' ? 2 : 1;
	}
	snprintf(flag, sizeof(flag), "--%s", opt->name);
	at.path = flag;
	if (!value)
		value = value_of(opt, argc, argv, &taken);
	if (!value) {
		mistake(f->m, &at, "needs a value");
		return 1;
	}
	err = add_flag(f, opt, flag, value);
	return err ? err : taken;
}

/* The same for -c FILE. */
static int read_file_name(struct flags *f, int argc, char **argv)
{
	struct place at = {.path = (char[]){"-c"}};

	if (argc < 2) {
		mistake(f->m, &at, "needs a file");
		f->file_unknown = true;
		return 1;
	}
	if (*f->file)
		mistake(f->m, &at, "given twice: only one file is read");
	*f->file = argv[1];
	return 2;
}

int config_read_flags(struct settings *to, int argc, char **argv, const char **file, bool *help,
		      struct mistakes *m)
{
	struct flags f = {.to = to, .m = m, .file = file};
	int taken;

	for (int i = 1; i < argc; i += taken) {
		taken = 1;
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			*help = true;
		else if (!strcmp(argv[i], "-c"))
			taken = read_file_name(&f, argc - i, argv + i);
		else if (!strncmp(argv[i], "--", 2) && argv[i][2])
			taken = read_long(&f, argc - i, argv + i);
		else
			say_not_an_option(&f, argv[i]);
		if (taken < 0)
			return taken;
	}
	return f.file_unknown;
}
