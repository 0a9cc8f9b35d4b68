/* SPDX-License-Identifier: BSD-2-Clause */
/* How a configuration is freed. See config.h. */
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>

void conf_names_clear(struct conf_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->set[i]);
	free(names->set);
	*names = (struct conf_names){0};
}

void conf_certs_clear(struct conf_cert **certs, size_t *count)
{
	for (size_t i = 0; i < *count; i++) {
		free((*certs)[i].cert);
		free((*certs)[i].key);
		free((*certs)[i].ocsp);
	}
	free(*certs);
	*certs = NULL;
	*count = 0;
}

void conf_listener_clear_certs(struct conf_listener *l)
{
	conf_certs_clear(&l->certs, &l->certs_count);
}

void conf_route_clear(struct conf_route *r)
{
	conf_names_clear(&r->names);
	conf_names_clear(&r->app_text);
	conf_names_clear(&r->alpn);
	conf_certs_clear(&r->certs, &r->certs_count);
	*r = (struct conf_route){0};
}

void conf_listener_clear_routes(struct conf_listener *l)
{
	for (size_t i = 0; i < l->routes_count; i++)
		conf_route_clear(&l->routes[i]);
	free(l->routes);
	l->routes = NULL;
	l->routes_count = 0;
}

void conf_servers_clear(struct conf_servers *servers)
{
	for (size_t i = 0; i < servers->count; i++)
		free(servers->set[i].host);
	free(servers->set);
	*servers = (struct conf_servers){0};
}

void conf_app_clear(struct conf_app *app)
{
	conf_servers_clear(&app->servers);
	free(app->check_path);
	free(app->check_host);
	*app = (struct conf_app){0};
}

void conf_listener_clear(struct conf_listener *l)
{
	conf_listener_clear_certs(l);
	conf_names_clear(&l->alpn);
	conf_names_clear(&l->app_text);
	conf_listener_clear_routes(l);
	free(l->trust.set);
	*l = (struct conf_listener){0};
}

bool conf_app_all_unix(const struct conf_app *app)
{
	for (size_t i = 0; i < app->servers.count; i++)
		if (app->servers.set[i].addr.family != AF_UNIX)
			return false;
	return true;
}

bool conf_all_unix(const struct conf *conf)
{
	for (size_t i = 0; i < conf->apps_count; i++)
		if (!conf_app_all_unix(&conf->apps[i]))
			return false;
	return true;
}

void conf_apps_text(char buf[CONF_APPS_TEXT], const struct conf *conf)
{
	const size_t servers = conf->apps_count ? conf->apps[0].servers.count : 0;

	if (conf->apps_count != 1)
		snprintf(buf, CONF_APPS_TEXT, "%zu applications", conf->apps_count);
	else if (servers > 1 || conf->apps[0].named)
		snprintf(buf, CONF_APPS_TEXT, "application %s (%zu server%s)", conf->apps[0].name,
			 servers, servers == 1 ? "" : "s");
	else
		snprintf(buf, CONF_APPS_TEXT, "application %s", conf->apps[0].name);
}

void config_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf->listeners_count; i++)
		conf_listener_clear(&conf->listeners[i]);
	free(conf->listeners);
	for (size_t i = 0; i < conf->apps_count; i++)
		conf_app_clear(&conf->apps[i]);
	free(conf->apps);
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
