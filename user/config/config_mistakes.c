/* SPDX-License-Identifier: BSD-2-Clause */
/* Mistakes in a configuration, one line each. See config_mistakes.h. */
#include "config/config_mistakes.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"

/* Above what log_emit() prints of a line. */
#define TEXT_MAX 2048

/* "kedge.yaml:12: listeners[0].tls: ", "--tls: " */
static void say(enum log_level level, const struct place *at, const char *fmt, va_list ap)
{
	const char *file = at->file ? at->file : "", *path = at->path ? at->path : "";
	char text[TEXT_MAX], line[16] = "";

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
