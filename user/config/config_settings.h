/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the settings of one source, the file or the flags: texts, each with its place. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config_mistakes.h"
#include "config/config_table.h"

/* One value as it was written, but for variables in it. */
struct setting {
	const struct option_def *opt;
	int listener;       /* index; -1: outside a listener */
	size_t route;       /* number of the route of that listener, from 1; 0: outside one */
	int app;            /* index in apps; -1: outside an entry of it */
	size_t pair;        /* OPTION_CERT: index in certs */
	char *text;         /* owned; NULL: an empty list */
	char *raw;          /* owned: the same before variables were expanded; NULL: it had none */
	bool bad;           /* it is a mistake, which was reported */
	struct place place; /* its path is owned */
};

struct route_entry {
	int listener;
	struct place place; /* its path is owned */
};

struct settings {
	struct setting *all; /* in the order written */
	size_t count;
	struct place *listeners; /* where each begins; the paths are owned */
	size_t listeners_count;
	struct app_entry {
		char *name; /* owned, as the path of place */
		struct place place;
	} * apps; /* the entries of `apps` */
	size_t apps_count;
	struct route_entry *routes; /* of all listeners, in the order written */
	size_t routes_count;
};

/* They copy names, texts and path. 0 or -ENOMEM. */
int settings_add(struct settings *s, const struct setting *written);
int settings_add_listener(struct settings *s, const struct place *place);
int settings_add_route(struct settings *s, int listener, const struct place *place);
int settings_add_app(struct settings *s, const char *name, const struct place *place);

/*
 * The setting of this name at this listener, or in this entry of apps (-1: outside both), for
 * messages: the last one, or the first of a list. NULL: there is none.
 */
const struct setting *settings_find(const struct settings *s, const char *name, int listener,
				    int app);

/* The same of a route. */
const struct setting *settings_find_of_route(const struct settings *s, const char *name,
					     int listener, size_t route);

/* Frees all of it; `s` is empty afterwards. */
void settings_clear(struct settings *s);
