/* SPDX-License-Identifier: BSD-2-Clause */
/* What does not go together with unix sockets. See config_unix.h. */
#include "config/config_unix.h"

#include <stdio.h>
#include <stdlib.h>

#define OTHERS_WRITE 0002

/* A server on a unix socket. NULL: there is none. */
static const struct conf_server *unix_server(const struct conf_app *app)
{
	for (size_t i = 0; i < app->servers.count; i++)
		if (app->servers.set[i].addr.family == AF_UNIX)
			return &app->servers.set[i];
	return NULL;
}

/* What is required of an application in this mode that has no TCP. */
static const char *conflict_of(const struct conf *conf, size_t app, enum conf_mode mode,
			       const struct conf_server **server)
{
	*server = app < conf->apps_count ? unix_server(&conf->apps[app]) : NULL;
	if (!*server)
		return NULL;
	if (conf->edit == POLICY_REQUIRE && mode == MODE_HTTP)
		return "edit";
	if (conf->bypass == POLICY_REQUIRE)
		return "bypass";
	return conf->peername == POLICY_REQUIRE ? "peername" : NULL;
}

/* Which of the three that need TCP to the application is required where there is none. */
static const char *app_conflict(const struct conf *conf, const struct conf_server **server)
{
	for (size_t i = 0; i < conf->listeners_count; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		const char *option = conflict_of(conf, l->app, l->mode, server);

		for (size_t k = 0; !option && k < l->routes_count; k++)
			option = conflict_of(conf, l->routes[k].app, l->routes[k].mode, server);
		if (option)
			return option;
	}
	return NULL;
}

static const struct conf_listener *record_conflict(const struct conf *conf)
{
	for (size_t i = 0; conf->record == POLICY_REQUIRE && i < conf->listeners_count; i++)
		if (conf->listeners[i].addr.family == AF_UNIX && conf->listeners[i].tls)
			return &conf->listeners[i];
	return NULL;
}

const char *config_unix_conflict(const struct conf *conf, char why[WHY_MAX])
{
	const struct conf_listener *l = record_conflict(conf);
	const struct conf_server *server = NULL;
	const char *option = app_conflict(conf, &server);

	if (option) {
		snprintf(why, WHY_MAX,
			 "required, but BPF does not see a unix socket, and app is %.112s: set "
			 "prefer or off, or let the application listen at ADDR:PORT",
			 server->name);
		return option;
	}
	if (!l)
		return NULL;
	snprintf(why, WHY_MAX,
		 "required, but the kernel has TLS for TCP only, and listener %s has TLS: set "
		 "record to prefer or off, or tls off there",
		 l->name);
	return "record";
}

void config_check_unix(struct conf_listener *l, const struct place *at, const struct place *trust,
		       const struct place *mode, struct mistakes *m)
{
	if (mode && !addr_is_path(&l->addr))
		config_warn(mode, "not used: this listener has no socket file");
	if (l->addr.family != AF_UNIX || l->proxy == PROXY_PREFIX_OFF)
		return;
	if (trust)
		mistake(m, trust,
			"peers on a unix socket have no addresses: take trust away here "
			"(socket-mode says who may connect)");
	free(l->trust.set);
	l->trust = (struct conf_cidrs){0};
	if (!addr_is_path(&l->addr))
		config_warn(at, "proxy-protocol on an abstract socket: every user of this host may "
				"connect, and name any client address");
	else if (l->socket_mode & OTHERS_WRITE)
		config_warn(at,
			    "proxy-protocol with socket-mode %04o: every user of this host may "
			    "connect, and name any client address",
			    l->socket_mode);
}
