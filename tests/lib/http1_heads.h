/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: streams of heads that are made of one sort of line and nothing else. What a parser
 * keeps for each line, each gap or each request shows its bound there, and nowhere else.
 */
#pragma once

#include <stdbool.h>

#include "http1_corpus.h"

/* Lines of every sort that is read, held, kept, cut or refused in a way of its own. NULL ends. */
extern const char *const http1_sorts[];

/*
 * Adds `heads` requests with up to `lines` lines each, beside Host. `line` may be several that take
 * turns; only all of them are added.
 */
void http1_heads_add(struct http1_bytes *b, const char *line, unsigned lines, unsigned heads);

/* Lines in the text: how many of KEDGE_FIELDS_MAX one of them uses up. */
unsigned http1_sort_lines(const char *line);
