/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the access log, from the workers to its sink. Each worker puts entries into its own
 * ring. One writer thread takes them, formats them and writes the lines. A worker never waits: if
 * its ring is full because the sink is slow, the entry is dropped and counted.
 */
#pragma once

#include <stdint.h>

#include "access/access_format.h"
#include "config/config.h"
#include "kedge/abi.h"

struct access_log;

/*
 * Opens the sink (see access_sink.h). 0 with *out; -errno after a logged line.
 */
int access_log_open(struct access_log **out, const char *target, enum access_format format,
		    unsigned workers);

/*
 * Starts the writer. rows: the counters, one row per worker, borrowed. access_lines and
 * access_dropped are written with atomic adds. 0 or -errno.
 */
int access_log_start(struct access_log *log, struct kedge_stats *const *rows);

/* From the worker's own thread. Copies the entry, or drops and counts it. */
void access_log_put(struct access_log *log, unsigned worker, const struct access_entry *e,
		    const struct access_texts *texts);

/* Common has no header fields, so they need not be read. */
enum access_format access_log_format(const struct access_log *log);

/* The writer reopens the file soon. Any thread. */
void access_log_reopen(struct access_log *log);

/* After the workers have ended. Writes the rest, for at most a second. NULL is fine. */
void access_log_close(struct access_log *log);
