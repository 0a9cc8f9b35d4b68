/* SPDX-License-Identifier: BSD-2-Clause */
/* How a configuration is freed. See config.h. */
#include "config/config.h"

#include <stdlib.h>

void conf_names_clear(struct conf_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->set[i]);
	free(names->set);
	*names = (struct conf_names){0};
}

void conf_listener_clear_certs(struct conf_listener *l)
{
	for (size_t i = 0; i < l->certs_count; i++) {
		free(l->certs[i].cert);
		free(l->certs[i].key);
		free(l->certs[i].ocsp);
	}
	free(l->certs);
	l->certs = NULL;
	l->certs_count = 0;
}

void conf_listener_clear(struct conf_listener *l)
{
	conf_listener_clear_certs(l);
	conf_names_clear(&l->alpn);
	free(l->trust.set);
	*l = (struct conf_listener){0};
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
	free(conf->app_host);
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
