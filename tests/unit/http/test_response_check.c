/* SPDX-License-Identifier: BSD-2-Clause */
/* response_check() of response.c: each thing that must hold, broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "http/response.h"
#include "tests/lib/breaks.h"

static struct response r;
static struct kedge_note note;
static const char *next = ""; /* what is fed next */

static void check(void)
{
	response_check(&r);
}

static void feed(void)
{
	struct response_counts counts = {0};

	response_feed(&r, &note, next, strlen(next), &counts);
}

/* One request, and these bytes of the application. */
static void read_bytes(const char *bytes)
{
	r = (struct response){0};
	note = (struct kedge_note){.requests = 1};
	next = bytes;
	feed();
	next = "";
}

static const char *line_broken(unsigned row)
{
	BREAK("r->state <= RESPONSE_LOST", r.state = RESPONSE_LOST + 1);
	BREAK("r->line_len <= RESPONSE_LINE_KEPT", r.line_len = 65);
	BREAK("r->line_len == RESPONSE_LINE_KEPT", r.line_long = true);
	BREAK("r->unasked", r.held = r.line_len = 12);
	BREAK("r->held == r->line_len", r.held = 1);
	BREAK("r->held == r->line_len", r.state = RESPONSE_FIELDS);
	BREAK("!r->line_len", r.begun = false, r.held = 0);
	BREAK("!r->cr", r.begun = false, r.held = r.line_len = 0, r.cr = true);
	BREAK("r->said_close", r.over = true);
	BREAK("r->doubtful", r.over = r.said_close = true);
	BREAK("r->doubtful", r.early = true);
	BREAK("r->doubtful", r.unasked = true);
	BREAK("r->interim <= RESPONSE_INTERIM_MAX", r.interim = RESPONSE_INTERIM_MAX + 1);
	return NULL;
}

static const char *body_broken(unsigned row)
{
	BREAK("r->left && r->left <= r->body", r.left = 0);
	BREAK("r->left && r->left <= r->body", r.left = 10);
	BREAK("r->body == r->head.length", r.body++);
	BREAK("r->head.chunked", r.state = RESPONSE_CHUNK, r.cr = false);
	return NULL;
}

static void what_must_hold(void **state)
{
	(void)state;
	read_bytes("HTTP/1.");
	breaks(line_broken, check);
	read_bytes("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody");
	breaks(body_broken, check);
}

static const char *feed_broken(unsigned row)
{
	BREAK("(int32_t)response_outstanding(r, note) >= 0", r.done = 2);
	BREAK("r->body == r->head.length", r.body++, next = "x");
	return NULL;
}

static void after_each_input(void **state)
{
	(void)state;
	read_bytes("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody");
	breaks(feed_broken, feed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_must_hold),
		cmocka_unit_test(after_each_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
