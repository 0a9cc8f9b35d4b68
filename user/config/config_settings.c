/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings as they were written. See config_settings.h. */
#include "config/config_settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

int settings_add(struct settings *s, const struct setting *written)
{
	_cleanup_(freep)
	char *text = NULL, *raw = NULL, *path = NULL;
	struct setting *grown;

	path = strdup(written->place.path);
	text = written->text ? strdup(written->text) : NULL;
	raw = written->raw ? strdup(written->raw) : NULL;
	if (!path || (written->text && !text) || (written->raw && !raw))
		return -ENOMEM;
	grown = reallocarray(s->all, s->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->all = grown;
	grown[s->count] = *written;
	grown[s->count].text = take_ptr(text);
	grown[s->count].raw = take_ptr(raw);
	grown[s->count++].place.path = take_ptr(path);
	return 0;
}

int settings_add_listener(struct settings *s, const struct place *place)
{
	_cleanup_(freep)
	char *path = strdup(place->path);
	struct place *grown;

	grown = path ? reallocarray(s->listeners, s->listeners_count + 1, sizeof(*grown)) : NULL;
	if (!grown)
		return -ENOMEM;
	s->listeners = grown;
	grown[s->listeners_count] = *place;
	grown[s->listeners_count++].path = take_ptr(path);
	return 0;
}

int settings_add_app(struct settings *s, const char *name, const struct place *place)
{
	_cleanup_(freep)
	char *path = strdup(place->path), *copy = strdup(name);
	struct app_entry *grown;

	grown = path && copy ? reallocarray(s->apps, s->apps_count + 1, sizeof(*grown)) : NULL;
	if (!grown)
		return -ENOMEM;
	s->apps = grown;
	grown[s->apps_count] = (struct app_entry){.name = take_ptr(copy), .place = *place};
	grown[s->apps_count++].place.path = take_ptr(path);
	return 0;
}

int settings_add_route(struct settings *s, int listener, const struct place *place)
{
	_cleanup_(freep)
	char *path = strdup(place->path);
	struct route_entry *grown;

	grown = path ? reallocarray(s->routes, s->routes_count + 1, sizeof(*grown)) : NULL;
	if (!grown)
		return -ENOMEM;
	s->routes = grown;
	grown[s->routes_count] = (struct route_entry){.listener = listener, .place = *place};
	grown[s->routes_count++].place.path = take_ptr(path);
	return 0;
}

static const struct setting *find(const struct settings *s, const char *name, int listener,
				  size_t route, int app)
{
	const struct setting *found = NULL;

	for (size_t i = 0; i < s->count && !(found && option_is_list(found->opt)); i++)
		if (s->all[i].listener == listener && s->all[i].route == route &&
		    s->all[i].app == app && !strcmp(s->all[i].opt->name, name))
			found = &s->all[i];
	return found;
}

const struct setting *settings_find_of_route(const struct settings *s, const char *name,
					     int listener, size_t route)
{
	return find(s, name, listener, route, -1);
}

const struct setting *settings_find(const struct settings *s, const char *name, int listener,
				    int app)
{
	return find(s, name, listener, 0, app);
}

void settings_clear(struct settings *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->all[i].text);
		free(s->all[i].raw);
		free(s->all[i].place.path);
	}
	for (size_t i = 0; i < s->listeners_count; i++)
		free(s->listeners[i].path);
	for (size_t i = 0; i < s->apps_count; i++) {
		free(s->apps[i].name);
		free(s->apps[i].place.path);
	}
	free(s->all);
	free(s->listeners);
	for (size_t i = 0; i < s->routes_count; i++)
		free(s->routes[i].place.path);
	free(s->apps);
	free(s->routes);
	*s = (struct settings){0};
}
