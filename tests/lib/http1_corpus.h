/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: reads tests/corpus/http1 (the format: tests/corpus/http1.txt). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kedge/http1.h"

#define HTTP1_CASE_PARTS 2

struct http1_bytes {
	uint8_t *data; /* owned */
	size_t len, room;
};

struct http1_case {
	char *name;
	struct http1_conf conf;
	struct http1_bytes input[HTTP1_CASE_PARTS];
	unsigned inputs; /* the second comes after the answer to an upgrade */
	bool tunnel;     /* which was 101 */
	struct http1_bytes output;
	enum kedge_reason refuse; /* KEDGE_REASON_NONE: accepted */
	enum kedge_standing ends;
	uint32_t requests;
};

/* The client of all cases. */
void http1_case_conf(struct http1_conf *conf, enum http1_mode mode, __u16 flags);

/*
 * All cases of a directory, sorted by name; *count of them. Aborts with file and line when one is
 * malformed. Free with http1_corpus_free().
 */
struct http1_case *http1_corpus_load(const char *dir, size_t *count);
void http1_corpus_free(struct http1_case *cases, size_t count);

/* tests/corpus/http1, wherever the test was started from ($KEDGE_CORPUS in its place). */
const char *http1_corpus_dir(void);

void http1_bytes_add(struct http1_bytes *b, const void *data, size_t len);

/*
 * Adds what a data line stands for, without its tab. NULL, or what is wrong with it, and nothing is
 * added.
 */
const char *http1_bytes_add_line(struct http1_bytes *to, const char *text);
