/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: streams of heads that have one sort of line only. They reach the bounds of everything
 * that is kept for each line, each gap or each request.
 */
#pragma once

#include <stdbool.h>

#include "http1_corpus.h"

/* A line of every sort that is read, held, kept, cut or refused differently. Ends with NULL. */
extern const char *const http1_sorts[];

/*
 * Adds `heads` requests with up to `lines` lines each, beside Host. `line` may have several lines;
 * they are added together or not at all.
 */
void http1_heads_add(struct http1_bytes *b, const char *line, unsigned lines, unsigned heads);

/* The number of lines in the text. */
unsigned http1_sort_lines(const char *line);
