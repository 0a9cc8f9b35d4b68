/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the answer to a scraper's request. Knows nothing of sockets. */
#pragma once

#include <stddef.h>

#include "metrics/metrics_text.h"

/*
 * The whole answer to the request that head[0..len) begins with: head and body, *out_len bytes, to
 * be freed by the caller. The first line alone decides. NULL when out of memory.
 */
char *metrics_answer(size_t *out_len, const char *head, size_t len,
		     const struct metrics_source *source);
