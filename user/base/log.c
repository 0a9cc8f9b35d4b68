/* SPDX-License-Identifier: BSD-2-Clause */
/* The message sink. Knows nothing of kedge; every other file of the daemon may call it. */
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errno_text.h"
#include "base/log_write.h"

static enum log_level max_level = LOG_LEVEL_INFO; /* atomic: a reload may change them */
static enum log_style line_style = LOG_STYLE_PLAIN;
static unsigned lost; /* atomic: lines that found no room */
static _Thread_local struct log_tap *thread_tap;

void log_set_level(enum log_level level)
{
	__atomic_store_n(&max_level, level, __ATOMIC_RELAXED);
}

enum log_level log_level(void)
{
	return __atomic_load_n(&max_level, __ATOMIC_RELAXED);
}

void log_set_style(enum log_style style)
{
	__atomic_store_n(&line_style, style, __ATOMIC_RELAXED);
}

struct log_tap *log_set_tap(struct log_tap *tap)
{
	struct log_tap *before = thread_tap;

	thread_tap = tap;
	return before;
}

/* --- a message's way -------------------------------------------------------------------------- */

static int write_message(const struct log_message *m)
{
	char line[LOG_LINE_MAX];
	struct timespec now = {0};

	clock_gettime(CLOCK_REALTIME, &now);
	return log_write(line, log_line_format(line, __atomic_load_n(&line_style, __ATOMIC_RELAXED),
					       m, &now));
}

/* There is room again. */
static void say_lost(void)
{
	unsigned n = __atomic_exchange_n(&lost, 0, __ATOMIC_RELAXED);
	char text[128];

	if (!n)
		return;
	snprintf(text, sizeof(text),
		 "log: standard error was full: %u lines before this one are lost", n);
	if (write_message(&(struct log_message){.level = LOG_LEVEL_WARN, .text = text}) < 0)
		__atomic_fetch_add(&lost, n, __ATOMIC_RELAXED);
}

static void say(const struct log_message *m)
{
	int err = write_message(m);

	/* Of another failure there is no other place to report it. */
	if (err == -EAGAIN || err == -ENOSPC)
		__atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
	else if (!err && __atomic_load_n(&lost, __ATOMIC_RELAXED))
		say_lost();
}

static void tell_tap(const struct log_message *m)
{
	char line[LOG_LINE_MAX];
	size_t len = log_line_format(line, LOG_STYLE_PLAIN, m, NULL);

	line[len - 1] = '\0';
	thread_tap->hear(thread_tap, m->level, line);
}

static void emit(struct log_message m, int err, const char *fmt, va_list ap)
{
	char text[LOG_TEXT_MAX + 1];
	size_t len = 0;
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	if (n > 0)
		len = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	else
		text[0] = '\0';
	if (err)
		snprintf(text + len, sizeof(text) - len, ": %s", errno_text(err));
	log_line_clean(text);
	m.text = text;
	if (thread_tap)
		tell_tap(&m);
	if (!thread_tap || !thread_tap->quiet)
		say(&m);
}

void log_vemit(enum log_level level, int err, const char *fmt, va_list ap)
{
	if (level <= log_level())
		emit((struct log_message){.level = level}, err, fmt, ap);
}

void log_emit(enum log_level level, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vemit(level, err, fmt, ap);
	va_end(ap);
}

void log_emit_fields(enum log_level level, const struct log_field *fields, size_t count,
		     const char *fmt, ...)
{
	const struct log_message m = {.level = level, .fields = fields, .fields_count = count};
	va_list ap;

	if (level > log_level())
		return;
	va_start(ap, fmt);
	emit(m, 0, fmt, ap);
	va_end(ap);
}
