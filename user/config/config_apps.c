/* SPDX-License-Identifier: BSD-2-Clause */
/* From settings to the applications. See config_apps.h. */
#include "config/config_apps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config_family.h"
#include "config/config_fill.h"
#include "config/config_options.h"
#include "config/config_server.h"
#include "config/config_suggest.h"

/* --- one application -------------------------------------------------------------------------- */

static int later(const void *a, const void *b)
{
	const struct conf_server *const *x = a, *const *y = b;

	if ((*x)->backup != (*y)->backup)
		return (*x)->backup ? 1 : -1;
	return *x < *y ? -1 : *x > *y;
}

/* Backups last; otherwise as they were written. */
static int sort_servers(struct conf_servers *s)
{
	_cleanup_(freep)
	struct conf_server *sorted = calloc(s->count + 1, sizeof(*sorted));
	_cleanup_(freep)
	struct conf_server **order = calloc(s->count + 1, sizeof(struct conf_server *));

	if (!sorted || !order)
		return -ENOMEM;
	for (size_t i = 0; i < s->count; i++)
		order[i] = &s->set[i];
	qsort(order, s->count, sizeof(struct conf_server *), later);
	for (size_t i = 0; i < s->count; i++)
		sorted[i] = *order[i];
	free(s->set);
	s->set = take_ptr(sorted);
	return 0;
}

static void check_servers(const struct conf_app *app, const struct place *at, struct mistakes *m)
{
	const struct conf_servers *s = &app->servers;
	char quoted[QUOTED_MAX];

	if (!s->count || s->set[0].backup)
		mistake(m, at, "has no server: name at least one that is no backup");
	if (s->count > CONFIG_SERVERS_MAX)
		mistake(m, at, "has %zu servers; at most %u", s->count, CONFIG_SERVERS_MAX);
	for (size_t i = 0; i < s->count && s->count <= CONFIG_SERVERS_MAX; i++)
		for (size_t k = 0; k < i; k++)
			if (!strcmp(s->set[i].name, s->set[k].name))
				mistake(m, at, "has the server %s twice",
					config_quote(quoted, s->set[i].name));
	for (size_t i = 0; i < s->count; i++)
		config_server_family(&s->set[i], at);
}

/* `check` need not be said where a detail of it is. */
static void finish_check(struct filling *f, struct conf_app *app)
{
	static const char *const of_http[] = {"check-path", "check-host", "check-status"};
	static const char *const of_all[] = {"check-every-ms", "check-timeout-ms", "check-rise",
					     "check-fall"};

	if (fill_has(f, "check"))
		return;
	for (size_t i = 0; i < sizeof(of_all) / sizeof(of_all[0]); i++)
		if (fill_has(f, of_all[i]))
			app->check = CHECK_TCP;
	for (size_t i = 0; i < sizeof(of_http) / sizeof(of_http[0]); i++)
		if (fill_has(f, of_http[i]))
			app->check = CHECK_HTTP;
}

/* A choice for all applications does not count for those with headers of another version. */
static void finish_proxy(struct apps_building *b, struct conf_app *app, int entry)
{
	const struct setting *s = settings_find(entry < 0 ? b->flags : b->file, "proxy-tlvs", -1,
						entry < 0 ? -1 : entry);

	if (app->send_proxy == SEND_PROXY_V2)
		return;
	app->proxy_tlvs = 0;
	if (!s && entry < 0)
		s = settings_find(b->file, "proxy-tlvs", -1, -1);
	if (!s || !s->text || s->bad || b->said == s)
		return;
	b->said = s;
	mistake(b->m, &s->place, "only headers of version 2 have these: set send-proxy v2");
}

/* Fills the rest of an application that has its servers already, or gets them from its entry. */
static int fill_app(struct apps_building *b, struct conf_app *app, int entry,
		    const struct place *at)
{
	struct filling f = {.base = app, .what = FILLED_APP};
	int err = entry < 0 ? 0 : fill_from(&f, b->file, -1, entry);

	app->mode_given = entry >= 0 && fill_has(&f, "mode");
	err = err ? err : fill_from(&f, b->flags, -1, -1);
	err = err ? err : fill_from(&f, b->file, -1, -1);
	if (err)
		return err;
	finish_check(&f, app);
	/* What was seen stays: these are the details that `check` was not said with. */
	if (app->check != CHECK_OFF)
		f.seen[option_find("check", strlen("check")) - config_options] = true;
	err = fill_defaults(&f);
	finish_proxy(b, app, entry);
	err = err ? err : sort_servers(&app->servers);
	if (!err && !f.bad)
		check_servers(app, at, b->m);
	return err;
}

/* One more. NULL when out of memory. */
static struct conf_app *add_app(struct conf *conf)
{
	struct conf_app *grown =
		reallocarray(conf->apps, conf->apps_count + 1, sizeof(*conf->apps));

	if (!grown)
		return NULL;
	conf->apps = grown;
	grown[conf->apps_count] = (struct conf_app){0};
	return &grown[conf->apps_count++];
}

/* --- those with an entry ---------------------------------------------------------------------- */

static int build_entries(struct apps_building *b)
{
	int err = 0;

	for (size_t i = 0; !err && i < b->file->apps_count; i++) {
		const struct app_entry *e = &b->file->apps[i];
		struct conf_app *app = add_app(b->conf);

		if (!app)
			return -ENOMEM;
		app->named = true;
		snprintf(app->name, sizeof(app->name), "%s", e->name);
		err = fill_app(b, app, (int)i, &e->place);
	}
	return err;
}

/* --- those of listeners ----------------------------------------------------------------------- */

static const struct setting *find_app_setting(const struct apps_building *b, int listener)
{
	const struct setting *s = settings_find(b->from, "app", listener, -1);

	s = s ? s : settings_find(b->flags, "app", -1, -1);
	return s ? s : settings_find(b->file, "app", -1, -1);
}

static void say_unknown(struct apps_building *b, const struct setting *s, const char *name)
{
	struct suggestion near = {0};
	char quoted[QUOTED_MAX];

	if (b->said == s)
		return;
	b->said = s;
	for (size_t i = 0; i < b->file->apps_count && !s->raw; i++)
		suggest(&near, name, strlen(name), b->file->apps[i].name);
	config_quote(quoted, s->raw ? s->raw : name);
	if (near.name)
		mistake(b->m, &s->place, "%s is not in apps; did you mean %s?", quoted, near.name);
	else if (*name && strlen(name) <= 5 && strspn(name, "0123456789") == strlen(name))
		mistake(b->m, &s->place, "%s is a port alone: write 127.0.0.1:%s", quoted,
			s->raw ? "PORT" : name);
	else
		mistake(b->m, &s->place, "%s is not in apps, and a server has a port: ADDR:PORT",
			quoted);
}

static void take_named(struct apps_building *b, const struct app_user *u)
{
	const struct conf_app *app = NULL;

	for (size_t i = 0; i < b->file->apps_count && !app; i++)
		if (!strcmp(b->conf->apps[i].name, u->texts->set[0]))
			app = &b->conf->apps[ *u->app = i];
	if (!app) {
		say_unknown(b, u->said, u->texts->set[0]);
		return;
	}
	if (!app->mode_given)
		return;
	if (u->mode_said && !u->mode_said->bad && *u->mode != app->mode)
		mistake(b->m, &u->mode_said->place,
			"the application %s has another mode: say it there only", app->name);
	*u->mode = app->mode;
}

/* The same servers in the same order? `listed` has no backups yet, and `whole` has them last. */
static bool same_servers(const struct conf_app *whole, const struct conf_app *listed)
{
	const struct conf_servers *a = &whole->servers, *b = &listed->servers;

	for (size_t i = 0; i < b->count; i++)
		if (i == a->count || a->set[i].backup || strcmp(a->set[i].name, b->set[i].name))
			return false;
	return b->count == a->count || a->set[b->count].backup;
}

/* The last application is a list of servers. Is an earlier one the same list? */
static bool share_app(struct apps_building *b, const struct app_user *u)
{
	struct conf *conf = b->conf;
	struct conf_app *last = &conf->apps[conf->apps_count - 1];

	for (size_t i = b->file->apps_count; i + 1 < conf->apps_count; i++) {
		if (same_servers(&conf->apps[i], last)) {
			conf_app_clear(last);
			conf->apps_count--;
			*u->app = i;
			return true;
		}
		if (!strcmp(conf->apps[i].name, last->name))
			mistake(b->m, &u->said->place,
				"begins with the same server as another list: give both "
				"applications a name in apps");
	}
	return false;
}

static int take_servers(struct apps_building *b, const struct app_user *u)
{
	const struct option_def *servers = option_find("servers", strlen("servers"));
	struct conf_app *app = add_app(b->conf);
	char why[WHY_MAX];
	int err = app ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < u->texts->count; i++)
		err = option_set(servers, app, servers->offset, u->texts->set[i], 0, why);
	if (err)
		return err;
	memcpy(app->name, app->servers.set[0].name, sizeof(app->name));
	if (share_app(b, u))
		return 0;
	*u->app = b->conf->apps_count - 1;
	return fill_app(b, app, -1, &u->said->place);
}

#define NO_APP "no application: give --app ADDR:PORT, or app in the file"

/* Nobody has said a word of one. */
static bool is_missing(const struct settings *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->all[i].opt->name, "app"))
			return false;
	return true;
}

int config_take_app(struct apps_building *b, const struct app_user *u)
{
	const struct setting *s = u->said;
	size_t names = 0;

	for (size_t i = 0; i < u->texts->count; i++)
		names += !config_server_like(u->texts->set[i]);
	if (!u->texts->count) { /* or it was a mistake already */
		if (!s->text && b->said != s)
			mistake(b->m, &s->place, "an empty list: name a server");
		b->said = s;
		return 0;
	}
	if (!names)
		return take_servers(b, u);
	if (u->texts->count == 1)
		take_named(b, u);
	else if (b->said != s)
		mistake(b->m, &s->place,
			"either the name of one application, or a list of servers with ports");
	b->said = u->texts->count > 1 ? s : b->said;
	return 0;
}

int config_take_app_of_listener(struct apps_building *b, int listener)
{
	struct conf_listener *l = &b->conf->listeners[listener];
	const struct app_user user = {
		.texts = &l->app_text,
		.app = &l->app,
		.mode = &l->mode,
		.said = find_app_setting(b, listener),
		.mode_said = settings_find(b->from, "mode", listener, -1),
	};

	if (user.said)
		return config_take_app(b, &user);
	if (!b->none)
		mistake(b->m, &b->from->listeners[listener], NO_APP);
	return 0;
}

int config_apps_begin(struct apps_building *b)
{
	b->none = is_missing(b->file) && is_missing(b->flags);
	return build_entries(b);
}

static bool is_used(const struct conf_listener *l, size_t app)
{
	for (size_t i = 0; i < l->routes_count; i++)
		if (l->routes[i].app == app)
			return true;
	return l->app == app;
}

void config_apps_end(const struct apps_building *b)
{
	const struct place nowhere = {.file = b->conf->file};

	if (b->none)
		mistake(b->m, &nowhere, NO_APP);
	for (size_t i = 0; !b->m->count && i < b->file->apps_count; i++) {
		bool used = false;

		for (size_t k = 0; k < b->conf->listeners_count; k++)
			used |= is_used(&b->conf->listeners[k], i);
		if (!used)
			config_warn(&b->file->apps[i].place, "not used: no listener names it");
	}
}
