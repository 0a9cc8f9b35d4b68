/* SPDX-License-Identifier: BSD-2-Clause */
/* From settings to the routes of a listener. See config_routes.h. */
#include "config/config_routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/host_name.h"
#include "config/config_alpn.h"
#include "config/config_fill.h"
#include "config/config_pairs.h"
#include "config/config_why.h"

/* One name of a route. */
struct named {
	const char *name;
	const struct conf_route *route;
	size_t number, at; /* of the route, from 1; in its names */
};

/* Of entry n of the names of a route. Not searched for where it would not be shown. */
static const struct place *place_of(const struct apps_building *b, int listener, size_t route,
				    size_t n)
{
	const struct settings *from = b->from;

	for (size_t i = 0; i < from->count && b->m->count < CONFIG_MISTAKES_MAX; i++) {
		const struct setting *s = &from->all[i];

		if (s->listener == listener && s->route == route && s->text && !s->bad &&
		    !strcmp(s->opt->name, "names") && !n--)
			return &s->place;
	}
	return &from->listeners[listener];
}

/* --- names ------------------------------------------------------------------------------------ */

/* As clients and certificates are compared. */
static void normalise(char *name)
{
	size_t len = strlen(name);

	if (len > 1 && name[len - 1] == '.')
		name[len - 1] = '\0';
	for (; *name; name++)
		if (*name >= 'A' && *name <= 'Z')
			*name |= 0x20;
}

/* What is wrong with a name; NULL: nothing. */
static const char *fault(const char *name)
{
	const char *host = strncmp(name, "*.", 2) ? name : name + 2;
	size_t len = strlen(host);

	if (!strcmp(name, "*"))
		return "is not a name: clients without a route get the listener's own app";
	if (strchr(host, '*'))
		return "has a * elsewhere than in a whole first label";
	if (strlen(name) > HOST_NAME_BYTES_MAX || !host_name_valid(host, len))
		return "is not the name of a host, as clients ask for it by SNI: letters, digits, "
		       "\"-\", and no address";
	return NULL;
}

static void check_names(const struct apps_building *b, int listener, struct conf_route *r,
			size_t number, const struct place *at)
{
	char quoted[QUOTED_MAX];

	if (!r->names.count)
		mistake(b->m, at, "names is missing, or empty: the names that clients ask for");
	for (size_t i = 0; i < r->names.count; i++) {
		const char *what;

		normalise(r->names.set[i]);
		what = fault(r->names.set[i]);
		if (what)
			mistake(b->m, place_of(b, listener, number, i), "%s %s",
				config_quote(quoted, r->names.set[i]), what);
	}
}

/* --- the same name twice ---------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order)
		return order;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static bool has(const struct conf_names *names, const char *text)
{
	for (size_t i = 0; i < names->count; i++)
		if (!strcmp(names->set[i], text))
			return true;
	return false;
}

/* In any order. */
static bool same_protocols(const struct conf_names *a, const struct conf_names *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!has(b, a->set[i]))
			return false;
	return true;
}

/* Of the names before all[at], which are the same, one that is for the same clients; or NULL. */
static const struct named *twin(const struct named *all, size_t at)
{
	for (size_t i = at; i-- > 0 && !strcmp(all[i].name, all[at].name);)
		if (same_protocols(&all[i].route->alpn, &all[at].route->alpn))
			return &all[i];
	return NULL;
}

static void check_twins(const struct apps_building *b, int listener, const struct named *all,
			size_t count)
{
	char quoted[QUOTED_MAX];

	for (size_t i = 1; i < count; i++) {
		const struct named *other = twin(all, i);

		if (!other)
			continue;
		config_quote(quoted, all[i].name);
		if (other->number == all[i].number)
			mistake(b->m, place_of(b, listener, all[i].number, all[i].at),
				"%s is listed twice", quoted);
		else
			mistake(b->m, place_of(b, listener, all[i].number, all[i].at),
				"%s is in routes[%zu], too, with the same alpn", quoted,
				other->number - 1);
	}
}

static int check_all_names(const struct apps_building *b, int listener)
{
	const struct conf_listener *l = &b->conf->listeners[listener];
	_cleanup_(freep)
	struct named *all = NULL;
	size_t count = 0;

	for (size_t i = 0; i < l->routes_count; i++)
		count += l->routes[i].names.count;
	all = calloc(count + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	count = 0;
	for (size_t i = 0; i < l->routes_count; i++)
		for (size_t k = 0; k < l->routes[i].names.count; k++)
			all[count++] = (struct named){.name = l->routes[i].names.set[k],
						      .route = &l->routes[i],
						      .number = i + 1,
						      .at = k};
	qsort(all, count, sizeof(*all), by_name);
	check_twins(b, listener, all, count);
	return 0;
}

/* --- one route -------------------------------------------------------------------------------- */

static int take_app(struct apps_building *b, int listener, struct conf_route *r, size_t number,
		    const struct place *at)
{
	const struct app_user user = {
		.texts = &r->app_text,
		.app = &r->app,
		.mode = &r->mode,
		.said = settings_find_of_route(b->from, "app", listener, number),
	};

	if (user.said)
		return config_take_app(b, &user);
	mistake(b->m, at, "app is missing: the name of an application, or its servers");
	return 0;
}

static int build_route(struct apps_building *b, int listener, const struct place *at)
{
	struct conf_listener *l = &b->conf->listeners[listener];
	struct conf_route *r = &l->routes[l->routes_count++];
	const size_t number = l->routes_count;
	struct filling f = {.base = r, .what = FILLED_ROUTE, .route = number};
	int err = fill_from(&f, b->from, listener, -1);

	r->mode = l->mode;
	err = err ? err : take_app(b, listener, r, number, at);
	if (err || f.bad)
		return err;
	check_names(b, listener, r, number, at);
	config_check_alpn_of_route(r, b->from, listener, number, at, b->m);
	config_check_pairs(r->certs, r->certs_count, at, b->m);
	return 0;
}

int config_build_routes(struct apps_building *b, int listener)
{
	struct conf_listener *l = &b->conf->listeners[listener];
	const struct route_entry *all = b->from->routes;
	size_t count = 0;
	int err = 0;

	for (size_t i = 0; i < b->from->routes_count; i++)
		count += all[i].listener == listener;
	if (!count)
		return 0;
	l->routes = calloc(count, sizeof(*l->routes));
	if (!l->routes)
		return -ENOMEM;
	for (size_t i = 0; !err && i < b->from->routes_count; i++) {
		if (all[i].listener != listener)
			continue;
		if (!l->tls && !l->routes_count)
			mistake(b->m, &all[i].place,
				"a route is chosen in the TLS handshake, and tls is off "
				"at this listener");
		err = build_route(b, listener, &all[i].place);
	}
	return err ? err : check_all_names(b, listener);
}
