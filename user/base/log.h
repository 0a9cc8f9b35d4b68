/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the one sink for messages. One line each on standard error, naming object, cause and
 * next step. Facts about single connections are counters (include/kedge/stats.def), and lines only
 * within a quota (log_quota.h). Never a payload, a key or a whole URL.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <errno.h>

#include "base/log_line.h"

/* Lines above this level are dropped. Default LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
enum log_level log_level(void);

/* Default LOG_STYLE_PLAIN. */
void log_set_style(enum log_style style);

/*
 * Writes one line in one write(2). `err` is a positive errno whose text is appended as ": text", or
 * 0. Safe from any thread. A line that finds no room in time (log_write_patience()) is lost; the
 * next one that finds room says how many were.
 */
void log_emit(enum log_level level, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void log_vemit(enum log_level level, int err, const char *fmt, va_list ap);

/* The same for a message whose fields a line of JSON has beside the text. */
void log_emit_fields(enum log_level level, const struct log_field *fields, size_t count,
		     const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Gets every line of one thread, in plain style without the newline. If quiet, nothing goes to
 * standard error. */
struct log_tap {
	void (*hear)(struct log_tap *tap, enum log_level level, const char *line);
	bool quiet;
};

/* Sets this thread's tap (NULL: none) and returns the one before. */
struct log_tap *log_set_tap(struct log_tap *tap);

/* Log and return -err: `return log_err(errno, "listener %s: cannot bind", name);` */
#define log_err(err, fmt, ...)                                                    \
	({                                                                        \
		const int err_ = abs(err); /* before anything can change errno */ \
		log_emit(LOG_LEVEL_ERROR, err_, fmt, ##__VA_ARGS__);              \
		-err_;                                                            \
	})
#define log_error(fmt, ...) log_emit(LOG_LEVEL_ERROR, 0, fmt, ##__VA_ARGS__)
#define log_warn(fmt, ...)  log_emit(LOG_LEVEL_WARN, 0, fmt, ##__VA_ARGS__)
#define log_info(fmt, ...)  log_emit(LOG_LEVEL_INFO, 0, fmt, ##__VA_ARGS__)
#define log_debug(fmt, ...) log_emit(LOG_LEVEL_DEBUG, 0, fmt, ##__VA_ARGS__)
