/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what a line of the log looks like. Pure: a message in, a line out.
 *
 *   plain    kedge: warning: MESSAGE
 *   time     2026-05-04T03:02:01.123Z kedge: warning: MESSAGE
 *   journal  <4>warning: MESSAGE
 *   json     {"time":"...","level":"warning","message":"MESSAGE","NAME":"TEXT"}
 *
 * A message may quote a peer or a file: whatever it has in it, one message is one line of printable
 * UTF-8, without a control character, and JSON stays an object. Fields are in JSON only: their
 * message says the same. There, a byte outside printable ASCII is \u00HH, as in the access log.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_style { LOG_STYLE_PLAIN, LOG_STYLE_TIME, LOG_STYLE_JOURNAL, LOG_STYLE_JSON };

struct log_field {
	const char *name;
	const char *text; /* NULL: the line does not have it */
	bool number;      /* the text is one */
};

struct log_message {
	enum log_level level;
	const char *text;
	const struct log_field *fields;
	size_t fields_count;
};

/* With its newline. A pipe takes so much at once (PIPE_BUF), so lines of processes do not mix. */
#define LOG_LINE_MAX 4096

/* A longer text is cut: the fields of a JSON line have room behind it. */
#define LOG_TEXT_MAX 2047

/* Replaces what no line may have in it, in place: a byte of it becomes '?'. */
void log_line_clean(char *text);

/*
 * Writes a line with its newline, and returns its length. The text is clean and at most
 * LOG_TEXT_MAX long. `now` is not read for plain and journal.
 */
size_t log_line_format(char out[LOG_LINE_MAX], enum log_style style, const struct log_message *m,
		       const struct timespec *now);
