/* SPDX-License-Identifier: BSD-2-Clause */
/* What must hold of the automaton's state and of a note. See http1_check.h. */
#include "http/http1_check.h"

#ifdef KEDGE_CHECKS
#include <stdbool.h>

#include "base/check.h"
#include "kedge/http1.h"

/* Behind the last option: ", Upgrade" CR LF. */
#define OPTIONS_END 11

/* A run is held where a line may still be taken out, or where the text may go before a CR. */
static void hold_check(const struct http1 *h)
{
	CHECK(h, h->hold <= HTTP1_BEING_CUT);
	CHECK_IF(h, h->hold != HTTP1_LOOSE,
		 h->state == HTTP1_START_LF ||
			 (h->state >= HTTP1_NAME && h->state <= HTTP1_END_LF));
	CHECK_IF(h, h->hold == HTTP1_HELD,
		 h->state == HTTP1_NAME || h->state == HTTP1_OPTIONS || h->state == HTTP1_H2C ||
			 h->state == HTTP1_END_LF);
	/* They come back from token[]. */
	CHECK_IF(h, h->hold == HTTP1_HELD, h->len && h->len <= HTTP1_TOKEN_MAX);
	CHECK_IF(h, h->hold == HTTP1_HELD && h->state == HTTP1_NAME, h->len <= HTTP1_CUT_NAME_MAX);
	CHECK_IF(h, h->hold == HTTP1_HELD && h->state == HTTP1_END_LF, h->len == 1);
	CHECK_IF(h, h->state == HTTP1_START_LF, h->hold == HTTP1_BEING_CUT);
	CHECK_IF(h, h->state == HTTP1_XFF, h->hold == HTTP1_BEING_CUT);
	/* Trailers and what is no line go on as they come. */
	CHECK_IF(h, h->flags & HTTP1_F_TRAILER && h->state != HTTP1_START_LF,
		 h->hold == HTTP1_LOOSE);
}

/* What is kept for a head. */
static void kept_check(const struct http1 *h, const struct http1_conf *c)
{
	CHECK(h, h->list_len <= KEDGE_XFF_BYTES_MAX);
	CHECK(h, h->list_fit <= h->list_len);
	CHECK(h, h->authority_len <= HTTP1_AUTHORITY_MAX);
	CHECK(h, h->options_len <= HTTP1_OPTIONS_MAX + OPTIONS_END);
	CHECK(h, h->options_line <= HTTP1_OPTIONS_MAX);
	CHECK_IF(h, h->state == HTTP1_OPTIONS,
		 h->options_len >= HTTP1_OPTIONS_BEGIN && h->options_line <= h->options_len &&
			 h->options_len + h->option_len <= HTTP1_OPTIONS_MAX);
	CHECK_IF(h, c->mode == HTTP1_XFF_NEVER || c->mode == HTTP1_XFF_REPLACE, !h->list_len);
}

/* The bounds of a head and of trailers. */
static void head_check(const struct http1 *h, const struct http1_conf *c)
{
	CHECK(h, h->fields <= KEDGE_FIELDS_MAX);
	CHECK(h, h->head <= c->head_bytes_max);
	if (h->state < HTTP1_METHOD || h->state > HTTP1_END_LF)
		return;
	CHECK_IF(h, h->state <= HTTP1_LINE_LF, h->head && h->head <= KEDGE_LINE_BYTES_MAX);
	CHECK_IF(h, h->state == HTTP1_METHOD, h->len <= KEDGE_METHOD_BYTES_MAX);
	CHECK_IF(h, h->state > HTTP1_FIELD && h->state < HTTP1_END_LF, h->fields);
	CHECK_IF(h, h->flags & HTTP1_F_TRAILER, h->state >= HTTP1_FIELD);
}

/* How the body is framed (RFC 9112, 6.3): by one of the two, and never by both. */
static void framing_check(const struct http1 *h)
{
	CHECK(h,
	      (h->flags & (HTTP1_F_LENGTH | HTTP1_F_CODING)) != (HTTP1_F_LENGTH | HTTP1_F_CODING));
	CHECK(h, !(h->left >> 63));
	CHECK_IF(h, h->state == HTTP1_BODY, h->left && h->flags & HTTP1_F_LENGTH);
	CHECK_IF(h, h->state >= HTTP1_SIZE && h->state <= HTTP1_CHUNK_LF,
		 h->flags & HTTP1_F_CODING && !(h->flags & HTTP1_F_TRAILER));
	CHECK_IF(h, h->state == HTTP1_CHUNK, h->left);
	CHECK_IF(h, h->state == HTTP1_CHUNK_CR || h->state == HTTP1_CHUNK_LF, !h->left);
	CHECK_IF(h, h->state == HTTP1_SIZE, h->len <= 16);
	CHECK_IF(h, h->state == HTTP1_EXTENSION, h->len <= KEDGE_CHUNK_EXT_BYTES_MAX);
	CHECK_IF(h, h->flags & HTTP1_F_TRAILER, h->flags & HTTP1_F_CODING && !h->left);
	CHECK_IF(h, h->state == HTTP1_WAITING || h->state == HTTP1_TUNNEL,
		 !h->left && !(h->flags & HTTP1_F_CODING) && h->flags & HTTP1_F_UPGRADE &&
			 h->flags & HTTP1_F_OPTION);
}

void http1_check(const struct http1 *h, const struct http1_conf *c)
{
	CHECK(h, h->state <= HTTP1_REFUSED);
	CHECK(h, h->reason < KEDGE_REASON_COUNT);
	CHECK(h, (h->state == HTTP1_REFUSED) == (h->reason != KEDGE_REASON_NONE));
	/* Nobody reads the rest of a stream that was refused. */
	if (h->state == HTTP1_REFUSED)
		return;
	CHECK(h, h->reason != KEDGE_REASON_internal_error);
	hold_check(h);
	kept_check(h, c);
	head_check(h, c);
	framing_check(h);
}

void http1_conf_check(const struct http1_conf *c)
{
	CHECK(c, c->mode <= HTTP1_XFF_NEVER);
	CHECK(c, c->head_bytes_max >= KEDGE_HEAD_BYTES_LEAST);
	CHECK(c, c->head_bytes_max <= KEDGE_HEAD_BYTES_MAX);
	CHECK(c, c->xff_len <= c->text_len);
	CHECK_IF(c, c->xff_len, HTTP1_PREFIX_LEN + c->ours_len <= c->xff_len);
	for (unsigned i = 0; i < HTTP1_GAPS; i++)
		CHECK(c, c->line[i] <= c->line[i + 1]);
	CHECK(c, c->line[HTTP1_GAPS] <= c->text_len);
}

void note_check(const struct kedge_note *n)
{
	CHECK(n, n->standing <= KEDGE_REFUSED);
	CHECK(n, n->reason < KEDGE_REASON_COUNT);
	CHECK(n, n->command <= KEDGE_COMMAND_NEXT);
	CHECK(n, (n->standing == KEDGE_REFUSED) == (n->reason != KEDGE_REASON_NONE));
	/* Only while a send() runs. */
	CHECK(n, !n->spare);
	CHECK(n, n->withheld <= n->sending);
	CHECK(n, n->sending <= KEDGE_SEND_BYTES_MAX + HTTP1_TEXT_MAX ||
			 n->sending <= KEDGE_BODY_BYTES_MAX);
}
#endif
