/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the one sink for messages. One line each on standard error, naming object, cause and
 * next step. Facts about single connections are counters (include/kedge/stats.def), not lines.
 * Never a payload, a key or a whole URL.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <errno.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above this level are dropped. Default LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
enum log_level log_level(void);

/*
 * Writes one line in one write(2). `err` is a positive errno whose text is appended as ": text", or
 * 0. Safe from any thread.
 */
void log_emit(enum log_level level, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void log_vemit(enum log_level level, int err, const char *fmt, va_list ap);

/* Gets every line of one thread, without the newline. If quiet, nothing goes to standard error. */
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
