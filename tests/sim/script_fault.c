/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests with one fault: each reason for a refusal has one here, all equally likely. */
#include "script.h"

#include <string.h>

#include "script_parts.h"
#include "world.h"

static void add(struct script *s, const char *text)
{
	http1_bytes_add(&s->say, text, strlen(text));
}

static void add_run(struct script *s, char byte, size_t n)
{
	while (n--)
		http1_bytes_add(&s->say, &byte, 1);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void long_line(struct script *s, bool over)
{
	add(s, "GET /");
	add_run(s, 'a', KEDGE_LINE_BYTES_MAX - 17 + 20 * over);
	add(s, " HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void long_xff(struct script *s, bool over)
{
	add(s, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ");
	add_run(s, '1', KEDGE_XFF_BYTES_MAX - 100 + 200 * over);
	add(s, "\r\n\r\n");
}

static void long_connection(struct script *s, bool over)
{
	add(s, "GET / HTTP/1.1\r\nHost: a\r\nConnection: ");
	for (int i = 0; i < 20 + 200 * over; i++)
		add(s, "x-real-ip-x, ");
	add(s, "close\r\n\r\n");
}

static void many_fields(struct script *s, bool over)
{
	add(s, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < KEDGE_FIELDS_MAX - 4 + 8 * over; i++)
		add(s, "X-A: b\r\n");
	add(s, "\r\n");
}

static void long_head(struct script *s, bool over)
{
	add(s, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < 7 + 64 * over; i++) {
		add(s, "X-A: ");
		add_run(s, 'b', 1000);
		add(s, "\r\n");
	}
	add(s, "\r\n");
}

#define LIMITS 5

static void add_long(struct script *s, unsigned limit, bool over)
{
	static void (*const make[LIMITS])(struct script * s, bool over) = {
		long_line, long_xff, long_connection, many_fields, long_head,
	};

	make[limit](s, over);
}

/* Just over, or just below, each limit of a head. */
void script_add_limit(struct script *s)
{
	bool over = dice(2);

	add_long(s, dice(LIMITS), over);
}

/* --- faults ----------------------------------------------------------------------------------- */

/* In the order of reasons.def. (No byte leads to http_malformed.) */
static const char *const faults[] = {
	"G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
	"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET index.html HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\nX-B: c\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\177\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX A: b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\n",
	"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
	("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	 "Content-Length: 5\r\n\r\n0\r\n\r\n"),
	"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdefgh",
	("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	 "0\r\nContent-Length: 5\r\n\r\n"),
	"GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1.2.3.4\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: x-forwarded-for\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c, x\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n",
	("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n"
	 "Content-Length: 1\r\n\r\nx"),
};

#define FAULTS (sizeof(faults) / sizeof(faults[0]))

void script_add_fault(struct script *s)
{
	unsigned sort = dice(FAULTS + LIMITS);

	s->odd = true;
	if (sort < FAULTS)
		add(s, faults[sort]);
	else
		add_long(s, sort - FAULTS, true);
}
