/* SPDX-License-Identifier: BSD-2-Clause */
/* The routes of a listener. See tls_route.h. */
#include "tls/tls_route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tls/cert_name.h"
#include "tls/tls_types.h"

static int by_name(const void *a, const void *b)
{
	const struct route_name *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : x->route < y->route ? -1 : x->route > y->route;
}

static int add(struct route_names *table, const char *text, unsigned route)
{
	char name[CERT_NAME_MAX + 1], *copy;

	if (cert_name_normalise(name, text, strlen(text)))
		return -EINVAL;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	table->all[table->count++] = (struct route_name){.name = copy, .route = route};
	return 0;
}

int route_names_add(struct route_names *table, const struct conf_names *names, unsigned route)
{
	struct route_name *grown =
		reallocarray(table->all, table->count + names->count + 1, sizeof(*grown));
	int err = 0;

	if (!grown)
		return -ENOMEM;
	table->all = grown;
	for (size_t i = 0; !err && i < names->count; i++)
		err = add(table, names->set[i], route);
	qsort(table->all, table->count, sizeof(*table->all), by_name);
	return err;
}

void route_names_clear(struct route_names *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->all[i].name);
	free(table->all);
	*table = (struct route_names){0};
}

/* The first entry that is not before this name. */
static size_t first(const struct route_names *table, const char *name)
{
	size_t from = 0, to = table->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (strcmp(table->all[middle].name, name) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static bool takes(const struct tls_route *r, const struct hello_part *protocols)
{
	const uint8_t *chosen;
	uint8_t len;

	return protocols->bytes &&
	       alpn_select(&r->alpn, protocols->bytes, protocols->len, &chosen, &len);
}

static unsigned choose(const struct tls_ctx *t, const char *name,
		       const struct hello_part *protocols, bool *known)
{
	unsigned any = 0;

	for (size_t i = first(&t->names, name); i < t->names.count; i++) {
		const struct route_name *entry = &t->names.all[i];
		const struct tls_route *r = &t->routes[entry->route];

		if (strcmp(entry->name, name))
			break;
		*known = true;
		if (r->by_alpn && takes(r, protocols))
			return entry->route;
		if (!r->by_alpn && !any)
			any = entry->route;
	}
	return any;
}

unsigned tls_route_choose(const struct tls_ctx *t, const char *host,
			  const struct hello_part *protocols, bool *known)
{
	char wild[CERT_NAME_MAX + 2];
	unsigned route = 0;

	*known = false;
	if (!t->names.count || host[0] == '*') /* no host has that name */
		return 0;
	route = choose(t, host, protocols, known);
	if (!route && cert_name_wildcard(wild, host))
		route = choose(t, wild, protocols, known);
	return route;
}
