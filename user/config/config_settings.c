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
	char *text = NULL, *path = NULL;
	struct setting *grown;

	path = strdup(written->place.path);
	text = written->text ? strdup(written->text) : NULL;
	if (!path || (written->text && !text))
		return -ENOMEM;
	grown = reallocarray(s->all, s->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->all = grown;
	grown[s->count] = *written;
	grown[s->count].text = take_ptr(text);
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

void settings_clear(struct settings *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->all[i].text);
		free(s->all[i].place.path);
	}
	for (size_t i = 0; i < s->listeners_count; i++)
		free(s->listeners[i].path);
	free(s->all);
	free(s->listeners);
	*s = (struct settings){0};
}
