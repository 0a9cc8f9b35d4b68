/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: feeds responses to user/http/response.c, next to a guard page. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "http/response.h"
#include "tests/lib/guard.h"

#define OK "HTTP/1.1 200 OK\r\n"

static inline enum response_event feed(struct response *r, const struct kedge_note *note,
				       const char *bytes, size_t n, struct response_counts *counts)
{
	struct guard g;
	enum response_event event;

	guard_new(&g, bytes, n, GUARD_AFTER);
	event = response_feed(r, note, (const char *)g.data, n, counts);
	guard_free(&g);
	return event;
}

static inline void feed_text(struct response *r, const struct kedge_note *note, const char *text,
			     struct response_counts *counts)
{
	feed(r, note, text, strlen(text), counts);
}

/* What response_counts.ended was told. */
struct ends {
	unsigned calls, status[8];
	uint64_t body[8];
};

static inline void note_end(void *arg, const struct response *r)
{
	struct ends *e = arg;

	assert_int_equal(r->done, e->calls);
	e->status[e->calls] = r->status;
	e->body[e->calls++] = response_body(r);
}
