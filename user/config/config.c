/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads a configuration: the order of the steps, and the end of it. */
#include "config/config_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void conf_names_clear(struct conf_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->set[i]);
	free(names->set);
	*names = (struct conf_names){0};
}

void config_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf->listeners_count; i++)
		conf_listener_clear(&conf->listeners[i]);
	free(conf->listeners);
	free(conf->file);
	conf_names_clear(&conf->guard.interfaces);
	free(conf->app_cgroup);
	free(conf->cgroup);
	free(conf->pin);
	free(conf->control);
	free(conf->access_log);
	free(conf->xff_trust.set);
	free(conf->user);
	free(conf->ticket_keys);
	free(conf);
}

/* Reads both sources and puts them together. 0, 1 after --help, or -errno; mistakes are counted. */
static int load(struct conf *conf, int argc, char **argv, struct mistakes *m)
{
	_cleanup_(source_clear)
	struct source flags = {0}, file = {0};
	const char *name = NULL;
	bool help = false;
	int err, unread = 0;

	err = config_read_flags(&flags, argc, argv, &name, &help, m);
	if (err)
		return err;
	if (help) {
		config_write_usage(stdout, argv[0]);
		return 1;
	}
	if (name) {
		conf->file = strdup(name);
		unread = conf->file ? config_read_file(&file, conf->file, m) : -ENOMEM;
	}
	err = unread < 0 ? unread : config_check_settings(&flags, m);
	err = err ? err : config_check_settings(&file, m);
	/* What belongs together can not be judged by half of it. */
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
