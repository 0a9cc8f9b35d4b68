/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what `kedge top` shows, as lines of text. Pure: two answers to `status` and a size
 * give a text. It has no control characters but "\n", whatever the answers hold.
 */
#pragma once

#include <jansson.h>

struct top_size {
	unsigned columns;
	unsigned rows; /* 0: as many as there are */
};

/*
 * `before` is an earlier answer. NULL, or of another kedge: there are no rates. No line is wider
 * than `columns`, and there are at most `rows`, the last of which says what is left out. To be
 * freed; NULL when out of memory.
 */
char *top_view(const json_t *now, const json_t *before, struct top_size size);

/* The same while no kedge answers. `gone_s`: for how long. */
char *top_view_gone(const char *why, unsigned gone_s, struct top_size size);
