/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads a configuration: the order of the steps. See config_load.h. */
#include "config/config_load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "config/config_build.h"
#include "config/config_file.h"
#include "config/config_flags.h"
#include "config/config_help.h"

/* Reads both sources and puts them together. 0, 1 after --help, or -errno; mistakes are counted. */
static int load(struct conf *conf, int argc, char **argv, struct mistakes *m)
{
	_cleanup_(settings_clear)
	struct settings flags = {0}, file = {0};
	const char *name = NULL;
	bool help = false;
	int err, unread;

	unread = config_read_flags(&flags, argc, argv, &name, &help, m);
	if (unread < 0)
		return unread;
	if (help) {
		config_write_usage(stdout, argv[0]);
		return 1;
	}
	if (name) {
		conf->from_stdin = !strcmp(name, CONFIG_STDIN);
		conf->file = strdup(conf->from_stdin ? CONFIG_STDIN_NAME : name);
		if (!conf->file)
			return -ENOMEM;
		err = config_read_file(&file, conf->from_stdin ? CONFIG_STDIN : conf->file, m);
		if (err < 0)
			return err;
		unread |= err;
	}
	err = config_check_settings(&flags, m);
	err = err ? err : config_check_settings(&file, m);
	/* Without the file, its settings would be reported as missing. */
	return err || unread ? err : config_build(conf, &file, &flags, m);
}

int config_load(struct conf **out, int argc, char **argv)
{
	_cleanup_(conf_freep)
	struct conf *conf = calloc(1, sizeof(*conf));
	struct mistakes m = {0};
	int err;

	err = conf ? load(conf, argc, argv, &m) : -ENOMEM;
	if (m.count > CONFIG_MISTAKES_MAX)
		log_error("... and %u more mistakes", m.count - CONFIG_MISTAKES_MAX);
	if (err < 0)
		return log_err(err, "configuration");
	if (err > 0)
		return err;
	if (m.count)
		return -EINVAL;
	*out = take_ptr(conf);
	return 0;
}
