/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: feeds a stream whole, in pieces and byte by byte, and checks the output. Include it
 * after cmocka.h.
 */
#pragma once

#include <string.h>

#include "tests/lib/http1_corpus.h"
#include "tests/lib/http1_driver.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define OURS     "X-Forwarded-For: 198.51.100.22\r\n"

/* Feeds a text in pieces. The caller frees *r. */
static inline void rules_feed(struct http1_run *r, const char *in, size_t piece)
{
	size_t n = strlen(in), at = 0;

	while (at < n && r->h.state != HTTP1_REFUSED) {
		size_t step = n - at < piece ? n - at : piece;
		size_t took = http1_run_feed(r, (const uint8_t *)in + at, step);

		at += took;
		if (took < step)
			break;
	}
}

/* `in` must become `out`, and the stream must be at `standing`. */
static inline void rules_accept(const struct http1_conf *conf, const char *in, const char *out,
				enum kedge_standing standing)
{
	static const size_t pieces[] = {SIZE_MAX, 7, 1};

	for (size_t i = 0; i < COUNT(pieces); i++) {
		struct http1_run r = {.conf = conf};

		rules_feed(&r, in, pieces[i]);
		if (r.h.reason)
			fail_msg("%s: refused with reason %u", in, r.h.reason);
		if (r.out.len != strlen(out) ||
		    (r.out.len && memcmp(r.out.data, out, r.out.len) != 0))
			fail_msg("%s: became %.*s", in, (int)r.out.len, (const char *)r.out.data);
		if (http1_standing(&r.h) != standing)
			fail_msg("%s: stands at %d", in, http1_standing(&r.h));
		http1_run_free(&r);
	}
}

/* The stream must be refused with this reason. */
static inline void rules_refuse(const struct http1_conf *conf, const char *in,
				enum kedge_reason reason)
{
	static const size_t pieces[] = {SIZE_MAX, 7, 1};

	for (size_t i = 0; i < COUNT(pieces); i++) {
		struct http1_run r = {.conf = conf};

		rules_feed(&r, in, pieces[i]);
		if (r.h.state != HTTP1_REFUSED || r.h.reason != reason)
			fail_msg("%s: reason %u, not %d", in, r.h.reason, reason);
		http1_run_free(&r);
	}
}
