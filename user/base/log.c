/* SPDX-License-Identifier: BSD-2-Clause */
/* The message sink. Knows nothing of kedge; every other file of the daemon may call it. */
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/errno_text.h"

static enum log_level max_level = LOG_LEVEL_INFO; /* atomic: a reload may change it */
static _Thread_local struct log_tap *thread_tap;

void log_set_level(enum log_level level)
{
	__atomic_store_n(&max_level, level, __ATOMIC_RELAXED);
}

enum log_level log_level(void)
{
	return __atomic_load_n(&max_level, __ATOMIC_RELAXED);
}

struct log_tap *log_set_tap(struct log_tap *tap)
{
	struct log_tap *before = thread_tap;

	thread_tap = tap;
	return before;
}

void log_vemit(enum log_level level, int err, const char *fmt, va_list ap)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	char line[2048];
	size_t len;
	int n;

	if (level > log_level())
		return;
	len = (size_t)snprintf(line, sizeof(line), "kedge: %s: ", names[level]);
	n = vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	if (n > 0)
		len += (size_t)n;
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	if (err) {
		n = snprintf(line + len, sizeof(line) - len, ": %s", errno_text(err));
		if (n > 0)
			len += (size_t)n;
		if (len > sizeof(line) - 2)
			len = sizeof(line) - 2;
	}
	/* One line means one line, also when a message quotes something with a newline in it. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[len] = '\0';
	if (thread_tap) {
		thread_tap->hear(thread_tap, level, line);
		if (thread_tap->quiet)
			return;
	}
	assert(len < sizeof(line));
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* there is no other place to report it */
}

void log_emit(enum log_level level, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vemit(level, err, fmt, ap);
	va_end(ap);
}
