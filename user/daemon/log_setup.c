/* SPDX-License-Identifier: BSD-2-Clause */
/* Chooses level and style of the log. See log_setup.h. */
#include "daemon/log_setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container_of.h"
#include "base/log_journal.h"
#include "base/log_write.h"

/* A reader of the log that stands still stops a worker for so long, and once. */
#define PATIENCE_MS 10

static enum log_style style_of(const struct conf *conf)
{
	if (conf->log_json)
		return LOG_STYLE_JSON;
	/* The journal has times of its own. */
	return log_is_journal(getenv("JOURNAL_STREAM"), STDERR_FILENO) ? LOG_STYLE_JOURNAL
								       : LOG_STYLE_TIME;
}

void log_setup(const struct conf *conf)
{
	log_set_level(conf->log_level);
	log_set_style(style_of(conf));
	log_write_patience(PATIENCE_MS);
}

/* "kedge: warning: text" is what a tap hears. */
static const char *text_of(const char *line)
{
	const char *level = strstr(line, ": "), *text = level ? strstr(level + 2, ": ") : NULL;

	return text ? text + 2 : line;
}

static void hold(struct log_tap *tap, enum log_level level, const char *line)
{
	struct log_hold *h = container_of(tap, struct log_hold, tap);
	const char *text = text_of(line);
	size_t size = strlen(text) + 2;
	char *more = realloc(h->lines, h->len + size + 1);

	if (!more) {
		fprintf(stderr, "%s\n", line);
		return;
	}
	h->lines = more;
	h->len += (size_t)sprintf(more + h->len, "%c%s\n", '0' + (int)level, text);
}

void log_hold_begin(struct log_hold *h)
{
	*h = (struct log_hold){.tap = {.hear = hold, .quiet = true}};
	h->outer = log_set_tap(&h->tap);
}

void log_hold_end(struct log_hold *h)
{
	char *rest = h->lines, *line;

	log_set_tap(h->outer);
	while (rest && (line = strsep(&rest, "\n")) && *line)
		log_emit((enum log_level)(line[0] - '0'), 0, "%s", line + 1);
	free(h->lines);
	h->lines = NULL;
}
