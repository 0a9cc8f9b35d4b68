/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: what is true of the automaton's state between any two bytes, and of a configuration.
 * tests/prove shows that every step keeps it, from every state that has it: so all states have it.
 */
#pragma once

#include "kedge/http1.h"

/* What http1_conf_set() and xff_prepare() make (tests/unit/http/test_xff.c). */
static inline bool http1_conf_holds(const struct http1_conf *c)
{
	bool never = c->mode == HTTP1_XFF_NEVER;

	return c->mode <= HTTP1_XFF_NEVER && c->head_bytes_max >= KEDGE_HEAD_BYTES_LEAST &&
	       c->head_bytes_max <= KEDGE_HEAD_BYTES_MAX &&
	       c->xff_len == (never ? 0 : HTTP1_PREFIX_LEN + c->ours_len + 2) &&
	       c->xff_len <= c->line[0] && c->line[0] <= c->line[1] && c->line[1] <= c->line[2] &&
	       c->line[2] <= c->line[3] && c->line[3] == c->text_len;
}

/* A line of the head or the trailers, or the blank line. */
static inline bool http1_in_fields(const struct http1 *h)
{
	return h->state >= HTTP1_FIELD && h->state <= HTTP1_END_LF;
}

static inline bool http1_in_trailers(const struct http1 *h)
{
	return http1_in_fields(h) && h->flags & HTTP1_F_TRAILER;
}

/* Inside a name: it is held as long as its line may still be cut. */
static inline bool http1_name_holds(const struct http1 *h, const struct http1_conf *c)
{
	bool longer = h->len > HTTP1_CUT_NAME_MAX, cut;
	__u8 name = http1_name(h);

	if (h->hold == HTTP1_HELD)
		return h->len && !longer;
	if (h->hold == HTTP1_LOOSE && (http1_in_trailers(h) || !http1_may_be_cut(c, h->token[0])))
		return true;
	/* Only one that begins with x-forwarded- may be longer than all names that are cut. */
	cut = (name & ~HTTP1_NAME_ALIAS) == HTTP1_NAME_STRIPPED &&
	      http1_cuts(c, HTTP1_NAME_STRIPPED);
	if (cut && name & HTTP1_NAME_ALIAS && !(c->flags & HTTP1_CUT_ALIASES))
		return false;
	return longer && cut == (h->hold == HTTP1_BEING_CUT);
}

/* In which states a run may be held, and that what is undecided of it fits the token. */
static inline bool http1_hold_holds(const struct http1 *h, const struct http1_conf *c)
{
	bool loose = h->hold == HTTP1_LOOSE, held = h->hold == HTTP1_HELD;

	if (h->hold > HTTP1_BEING_CUT || (http1_in_trailers(h) && !loose))
		return false;
	switch (h->state) {
	case HTTP1_START_LF:
	case HTTP1_XFF:
		return !loose && !held;
	case HTTP1_NAME:
		return http1_name_holds(h, c);
	case HTTP1_VALUE:
	case HTTP1_VALUE_LF:
		return !held;
	case HTTP1_OPTIONS:
		return !held || h->len <= HTTP1_TOKEN_MAX;
	case HTTP1_H2C:
		return held && h->len <= HTTP1_TOKEN_MAX;
	case HTTP1_END_LF:
		return h->flags & HTTP1_F_TRAILER ? loose : held && h->len == 1;
	}
	return loose;
}

/* The limits that refuse a head. */
static inline bool http1_limits_hold(const struct http1 *h, const struct http1_conf *c)
{
	const __u16 named = HTTP1_F_OLD | HTTP1_F_HEAD | HTTP1_F_STAR | HTTP1_F_ABSOLUTE;
	const __u16 of_line = h->state == HTTP1_METHOD ? 0 : named;

	if (h->fields > KEDGE_FIELDS_MAX)
		return false;
	if (h->state < HTTP1_METHOD || h->state > HTTP1_END_LF)
		return true;
	if (!h->fields && h->state > HTTP1_FIELD && h->state < HTTP1_END_LF)
		return false; /* inside a line */
	if (h->state == HTTP1_METHOD && (!h->len || h->len > KEDGE_METHOD_BYTES_MAX))
		return false;
	if (h->state <= HTTP1_LINE_LF)
		return h->head && h->head <= KEDGE_LINE_BYTES_MAX && !(h->flags & ~of_line);
	/* len wraps with the last byte that a name of trailers may have; the next is refused. */
	if (h->state == HTTP1_NAME && h->head != 1 << 16 && (!h->len || h->len > h->head))
		return false;
	if (!http1_in_trailers(h) &&
	    (h->head < 2 || (h->state == HTTP1_NAME && (!h->len || h->len >= h->head))))
		return false;
	return h->head <= c->head_bytes_max;
}

/* http1.sub, and what len counts, by state. */
static inline bool http1_place_holds(const struct http1 *h)
{
	__u8 at = h->sub & 7;

	switch (h->state) {
	case HTTP1_SCHEME:
		return at && at < 7 && (h->sub == at || (h->sub == (0x10 | at) && at >= 4));
	case HTTP1_AUTHORITY:
		return h->sub <= HTTP1_HOST_PORT_END && h->sub != HTTP1_HOST_BAD &&
		       h->sub != HTTP1_HOST_DONE;
	case HTTP1_HOST:
		return h->sub <= HTTP1_HOST_PORT_END && h->sub != HTTP1_HOST_BAD &&
		       (!(h->flags & HTTP1_F_ABSOLUTE) || h->len <= h->authority_len);
	case HTTP1_VERSION:
	case HTTP1_CODING:
		return h->sub <= 7;
	case HTTP1_LENGTH:
		return h->sub <= 2;
	case HTTP1_OPTIONS:
		return h->sub <= 1;
	case HTTP1_PROTOCOLS:
		return h->len <= 4;
	case HTTP1_H2C:
		return at <= HTTP1_H2C_SPACE && !(h->sub & ~7 & ~HTTP1_H2C_MORE);
	case HTTP1_SIZE:
		return h->len <= 16 && (h->len || !h->left);
	case HTTP1_EXTENSION:
		return h->len <= KEDGE_CHUNK_EXT_BYTES_MAX;
	}
	return true;
}

/* What is known of the body, and how much of it is to come. */
static inline bool http1_body_holds(const struct http1 *h)
{
	bool head = h->state >= HTTP1_METHOD && h->state <= HTTP1_END_LF;

	if (h->left >> 63 || (h->flags & HTTP1_F_CODING && h->flags & HTTP1_F_LENGTH))
		return false;
	if (http1_in_trailers(h))
		return !h->left && h->state != HTTP1_XFF &&
		       (h->state < HTTP1_HOST || h->state > HTTP1_H2C);
	if (h->flags & HTTP1_F_TRAILER && head)
		return false; /* a new head has begun, so it is forgotten */
	if ((h->state == HTTP1_LENGTH && !(h->flags & HTTP1_F_LENGTH)) ||
	    (h->state == HTTP1_CODING && !(h->flags & HTTP1_F_CODING)))
		return false;
	if (head)
		return h->flags & HTTP1_F_LENGTH || !h->left;
	switch (h->state) {
	case HTTP1_BODY:
		return h->left && h->flags & HTTP1_F_LENGTH;
	case HTTP1_CHUNK:
		return h->left;
	case HTTP1_SIZE:
	case HTTP1_EXTENSION:
	case HTTP1_SIZE_LF:
	case HTTP1_REFUSED:
		return true;
	}
	return !h->left;
}

/* The buffers behind the first 72 bytes. */
static inline bool http1_buffers_hold(const struct http1 *h, const struct http1_conf *c)
{
	bool over = h->state <= HTTP1_START_REQ || h->state > HTTP1_END_LF ||
		    h->flags & HTTP1_F_TRAILER;
	bool collect = h->flags & HTTP1_F_COLLECT;
	__u16 list_max = KEDGE_XFF_BYTES_MAX - (over ? 0 : 2);
	__u16 options_max = HTTP1_OPTIONS_MAX + (over ? 11 : 0);

	if (h->list_len > list_max || h->list_fit > h->list_len ||
	    h->authority_len > HTTP1_AUTHORITY_MAX)
		return false;
	if ((h->list_len || h->state == HTTP1_XFF) && !http1_keeps_values(c))
		return false;
	if (h->options_len > options_max ||
	    (h->options_len && h->options_len < HTTP1_OPTIONS_BEGIN))
		return false;
	if (collect && !h->options_len && !over)
		return false;
	if (h->state != HTTP1_OPTIONS)
		return true;
	return h->options_len >= HTTP1_OPTIONS_BEGIN && h->options_line <= h->options_len &&
	       (!h->options_line || h->options_line >= HTTP1_OPTIONS_BEGIN) &&
	       (!collect || h->hold == HTTP1_BEING_CUT || h->options_line) &&
	       (!h->option_len || http1_option_at(h) + h->option_len <= HTTP1_OPTIONS_MAX);
}

static inline bool http1_holds(const struct http1 *h, const struct http1_conf *c)
{
	if (h->state == HTTP1_REFUSED)
		return h->reason && h->reason < KEDGE_REASON_COUNT;
	return h->state < HTTP1_REFUSED && !h->reason && http1_hold_holds(h, c) &&
	       http1_limits_hold(h, c) && http1_place_holds(h) && http1_body_holds(h) &&
	       http1_buffers_hold(h, c);
}
