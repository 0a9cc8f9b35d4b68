/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: reads tests/corpus/response (the format: tests/corpus/response.txt). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "http/response.h"
#include "http1_corpus.h"

struct response_case {
	char *name;
	struct kedge_note note; /* the requests and how they stand */
	struct http1_bytes bytes;
	size_t good; /* so many of them reach the client */
	enum response_event event;
	enum response_state state;
	uint32_t done;
	uint16_t keep_alive_s;
	bool last, clean;
};

/* All cases, sorted by name; *count of them. Aborts with file and line when one is malformed. */
struct response_case *response_corpus_load(size_t *count);
void response_corpus_free(struct response_case *cases, size_t count);
