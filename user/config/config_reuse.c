/* SPDX-License-Identifier: BSD-2-Clause */
/* What does not go together with app-reuse: shared. See config_reuse.h. */
#include "config/config_reuse.h"

#include <stdio.h>

/* Does a client of this listener reach the application without HTTP? */
static bool passes_tcp(const struct conf_listener *l, size_t app)
{
	for (size_t i = 0; i < l->routes_count; i++)
		if (l->routes[i].app == app && l->routes[i].mode == MODE_TCP)
			return true;
	return l->app == app && l->mode == MODE_TCP;
}

static const struct conf_listener *tcp_listener(const struct conf *conf, size_t app)
{
	for (size_t i = 0; i < conf->listeners_count; i++)
		if (passes_tcp(&conf->listeners[i], app))
			return &conf->listeners[i];
	return NULL;
}

/*
 * With peername and with send-proxy, a connection to the application belongs to one client from its
 * first byte on. Without HTTP nobody knows where a request ends.
 */
static bool is_refused(const struct conf *conf, size_t app, char why[WHY_MAX])
{
	const char *name = conf->apps[app].name;
	const struct conf_listener *l = tcp_listener(conf, app);

	if (conf->peername != POLICY_OFF)
		snprintf(why, WHY_MAX,
			 "shared does not go together with peername: each connection to "
			 "application %.60s would show one client and serve several: set one of "
			 "the two to off",
			 name);
	else if (conf->apps[app].send_proxy != SEND_PROXY_OFF)
		snprintf(why, WHY_MAX,
			 "shared does not go together with send-proxy: each connection to "
			 "application %.60s would name one client and serve several: set app-reuse "
			 "to client there",
			 name);
	else if (l)
		snprintf(why, WHY_MAX,
			 "shared does not go together with mode tcp, which listener %.60s has for "
			 "application %.60s: set app-reuse to client there, in apps",
			 l->name, name);
	else
		return false;
	return true;
}

const char *config_reuse_conflict(const struct conf *conf, char why[WHY_MAX])
{
	for (size_t i = 0; i < conf->apps_count; i++)
		if (conf->apps[i].app_reuse == APP_REUSE_SHARED && is_refused(conf, i, why))
			return "app-reuse";
	return NULL;
}
