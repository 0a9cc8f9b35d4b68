/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers a scraper. See metrics_answer.h. */
#include "metrics/metrics_answer.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct request {
	const char *head;
	size_t len;
};

static bool begins_with(const struct request *r, const char *begin)
{
	size_t n = strlen(begin);

	return r->len >= n && !memcmp(r->head, begin, n);
}

/* `begin` is a method and a path; a query may follow. */
static bool asks_for(const struct request *r, const char *begin)
{
	size_t n = strlen(begin);

	return begins_with(r, begin) && r->len > n && (r->head[n] == ' ' || r->head[n] == '?');
}

/* For balancers and kubelets: kedge serves, but not for long. */
static bool is_stopping(const struct metrics_source *source)
{
	return source->stopping && __atomic_load_n(source->stopping, __ATOMIC_ACQUIRE);
}

/* Writes the body that the request asks for; returns the rest of the status line. */
static const char *write_body(FILE *to, const struct request *r,
			      const struct metrics_source *source)
{
	if (asks_for(r, "GET /metrics") || asks_for(r, "HEAD /metrics")) {
		metrics_write(to, source);
		return "200 OK";
	}
	if (asks_for(r, "GET /ready") || asks_for(r, "HEAD /ready")) {
		bool stopping = is_stopping(source);

		fputs(stopping ? "shutting down\n" : "ready\n", to);
		return stopping ? "503 Service Unavailable" : "200 OK";
	}
	if (asks_for(r, "GET /live") || asks_for(r, "HEAD /live")) {
		fputs("live\n", to);
		return "200 OK";
	}
	if (!begins_with(r, "GET ") && !begins_with(r, "HEAD ")) {
		fputs("only GET and HEAD are answered here\n", to);
		return "405 Method Not Allowed\r\nAllow: GET, HEAD";
	}
	fputs("here are /metrics, /ready and /live\n", to);
	return "404 Not Found";
}

char *metrics_answer(size_t *out_len, const char *head, size_t len,
		     const struct metrics_source *source)
{
	const struct request request = {head, len};
	_cleanup_(freep)
	char *body = NULL;
	_cleanup_(freep)
	char *all = NULL;
	size_t body_len = 0, all_len = 0;
	const char *status;
	FILE *to = open_memstream(&body, &body_len);

	if (!to)
		return NULL;
	status = write_body(to, &request, source);
	if (fclose(to) != 0)
		return NULL;
	to = open_memstream(&all, &all_len);
	if (!to)
		return NULL;
	fprintf(to,
		"HTTP/1.1 %s\r\n"
		"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
		"Content-Length: %zu\r\n"
		"Connection: close\r\n\r\n",
		status, body_len);
	if (!begins_with(&request, "HEAD "))
		fwrite(body, 1, body_len, to);
	if (fclose(to) != 0)
		return NULL;
	*out_len = all_len;
	return take_ptr(all);
}
