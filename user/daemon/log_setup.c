/* SPDX-License-Identifier: BSD-2-Clause */
/* Chooses level and style of the log. See log_setup.h. */
#include "daemon/log_setup.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
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
