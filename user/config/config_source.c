/* SPDX-License-Identifier: BSD-2-Clause */
/* What was written, with its places; and how a mistake in it is said. */
#include "config/config_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

int source_add_setting(struct source *src, const struct setting *written)
{
	_cleanup_(freep)
	char *text = NULL, *path = NULL;
	struct setting *grown;

	path = strdup(written->place.path);
	text = written->text ? strdup(written->text) : NULL;
	if (!path || (written->text && !text))
		return -ENOMEM;
	grown = reallocarray(src->settings, src->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	src->settings = grown;
	grown[src->count] = *written;
	grown[src->count].text = take_ptr(text);
	grown[src->count++].place.path = take_ptr(path);
	return 0;
}

int source_add_listener(struct source *src, const struct place *place)
{
	_cleanup_(freep)
	char *path = strdup(place->path);
	struct place *grown;

	grown = path ? reallocarray(src->listeners, src->listeners_count + 1, sizeof(*grown))
		     : NULL;
	if (!grown)
		return -ENOMEM;
	src->listeners = grown;
	grown[src->listeners_count] = *place;
	grown[src->listeners_count++].path = take_ptr(path);
	return 0;
}

void source_clear(struct source *src)
{
	for (size_t i = 0; i < src->count; i++) {
		free(src->settings[i].text);
		free(src->settings[i].place.path);
	}
	for (size_t i = 0; i < src->listeners_count; i++)
		free(src->listeners[i].path);
	free(src->settings);
	free(src->listeners);
	*src = (struct source){0};
}

/* "kedge.yaml:12: listeners[0].tls: ", "--tls: " */
static void say(enum log_level level, const struct place *at, const char *fmt, va_list ap)
{
	const char *file = at->file ? at->file : "", *path = at->path ? at->path : "";
	char text[6 * WHY_MAX], line[16] = "";

	vsnprintf(text, sizeof(text), fmt, ap);
	if (at->line)
		snprintf(line, sizeof(line), ":%d", at->line);
	log_emit(level, 0, "%s%s%s%.200s%s%s", file, line, *file ? ": " : "", path,
		 *path ? ": " : "", text);
}

void mistake(struct mistakes *m, const struct place *at, const char *fmt, ...)
{
	va_list ap;

	if (m->count++ >= CONFIG_MISTAKES_MAX)
		return;
	va_start(ap, fmt);
	say(LOG_LEVEL_ERROR, at, fmt, ap);
	va_end(ap);
}

void config_warn(const struct place *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_LEVEL_WARN, at, fmt, ap);
	va_end(ap);
}
