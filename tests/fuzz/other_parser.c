/* SPDX-License-Identifier: BSD-2-Clause */
#include "other_parser.h"

#include <http_parser.h>
#include <string.h>

static int stop(http_parser *p)
{
	http_parser_pause(p, 1);
	return 0;
}

/*
 * http-parser may refuse requests that kedge passes on: it has a list of methods, it checks
 * absolute-form targets, and it reads a name that only begins with Transfer-Encoding as that field,
 * alone or beside a Content-Length.
 */
static bool may_refuse(enum http_errno error)
{
	return error == HPE_INVALID_METHOD || error == HPE_INVALID_URL ||
	       error == HPE_INVALID_TRANSFER_ENCODING || error == HPE_UNEXPECTED_CONTENT_LENGTH;
}

static const char *read_one(const struct reference_request *q, const uint8_t *out, size_t n)
{
	http_parser_settings settings = {.on_message_complete = stop};
	enum http_errno error;
	http_parser p;
	size_t taken;

	http_parser_init(&p, HTTP_REQUEST);
	taken = http_parser_execute(&p, &settings, (const char *)out + q->begin, n - q->begin);
	error = HTTP_PARSER_ERRNO(&p);
	if (error == HPE_PAUSED)
		return q->end == q->begin + taken ? NULL : "http-parser has another boundary";
	if (error == HPE_OK)
		return q->end ? "http-parser has not seen the end" : NULL;
	return may_refuse(error) ? NULL : http_errno_name(error);
}

const char *other_parser_disagrees(const struct reference *r, const uint8_t *out, size_t n)
{
	const char *wrong = NULL;

	for (unsigned i = 0; i < r->requests && !wrong; i++)
		wrong = read_one(&r->request[i], out, n);
	return wrong;
}

/* What on_headers_complete() is told of a response, and tells. */
struct told {
	bool no_body, chunked;
};

static int end_head(http_parser *p)
{
	struct told *told = p->data;

	told->chunked = p->flags & F_CHUNKED;
	return told->no_body;
}

static const char *read_one_down(const struct response_message *m, enum response_state state,
				 const char *in, size_t n)
{
	const http_parser_settings settings = {.on_headers_complete = end_head,
					       .on_message_complete = stop};
	/* It does not know by itself that a 304 with a length has no body. */
	struct told told = {.no_body = m->to_head || m->status == 204 || m->status == 304};
	http_parser p;
	size_t taken;

	http_parser_init(&p, HTTP_RESPONSE);
	p.data = &told;
	taken = http_parser_execute(&p, &settings, in + m->begin, n - m->begin);
	/* It overlooks chunked in a list with empty elements or with HT. */
	if (m->chunked && !told.chunked)
		return NULL;
	if (HTTP_PARSER_ERRNO(&p) == HPE_OK && m->end)
		return "http-parser has not seen the end of a response";
	if (HTTP_PARSER_ERRNO(&p) != HPE_PAUSED)
		return NULL;
	if (m->end)
		return m->end == m->begin + taken ? NULL : "http-parser ends a response elsewhere";
	/* What kedge does not follow any more, a parser may. */
	return state == RESPONSE_LOST || state == RESPONSE_TUNNEL
		       ? NULL
		       : "http-parser ends a response that has not ended";
}

const char *other_parser_disagrees_down(const struct response_reference *r, const char *in,
					size_t n)
{
	const char *wrong = NULL;

	for (size_t i = 0; i < r->messages && !wrong; i++)
		wrong = read_one_down(&r->message[i], r->state, in, n);
	return wrong;
}
