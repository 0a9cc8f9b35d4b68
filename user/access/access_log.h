/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the access log from the workers to its sink. Each worker puts entries into a ring of
 * its own; one writer thread takes them, makes lines of them and writes those. A worker never
 * waits: where its ring is full because the sink is slow, the entry is dropped and counted.
 */
#pragma once

#include <stdint.h>

#include "access/access_format.h"
#include "config/config.h"
#include "kedge/abi.h"

struct access_log;

/*
 * Opens the sink (see access_sink.h). 0 with *out; -errno after a logged line. `target` is
 * borrowed.
 */
int access_log_open(struct access_log **out, const char *target, enum access_format format,
		    unsigned workers);

/*
 * Starts the writer. rows: of counters, one a worker, borrowed; access_lines and access_dropped of
 * them are written with atomic adds. 0 or -errno.
 */
int access_log_start(struct access_log *log, struct kedge_stats *const *rows);

/* From the worker's own thread: takes a copy, or drops and counts it. */
void access_log_put(struct access_log *log, unsigned worker, const struct access_entry *e,
		    const struct access_texts *texts);

/* What is left out of heads: Common has no use for fields. */
enum access_format access_log_format(const struct access_log *log);

/* The writer opens the file anew, soon. Any thread. */
void access_log_reopen(struct access_log *log);

/* After the workers: writes what is left, for a second at most. NULL is fine. */
void access_log_close(struct access_log *log);
