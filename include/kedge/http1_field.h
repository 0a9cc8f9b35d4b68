/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: the states of http1.h in field lines of a head and of trailers (RFC 9112, sections 5
 * to 7). Part of http1.h; do not include it alone.
 */
#pragma once

/* A byte that is not allowed at this place of a line. */
static __always_inline enum http1_act http1_line_stray(struct http1 *h, __u8 b, __u8 reason)
{
	if (b == '\n')
		return http1_refuse(h, KEDGE_REASON_http_bare_cr_lf);
	if (http1_is_value(b) || b == '\r')
		return http1_refuse(h, reason);
	return http1_refuse(h, KEDGE_REASON_http_control_char);
}

static __always_inline bool http1_cuts_for(const struct http1_conf *c)
{
	return c->mode != HTTP1_XFF_NEVER || c->flags & HTTP1_DROP_INCOMING;
}

/* The text has a line of that name. */
static __always_inline bool http1_sets(const struct http1_conf *c, __u8 name)
{
	switch (name) {
	case HTTP1_NAME_PROTO:
		return c->flags & HTTP1_SET_PROTO;
	case HTTP1_NAME_PORT:
		return c->flags & HTTP1_SET_PORT;
	case HTTP1_NAME_REAL:
		return c->flags & HTTP1_SET_REAL;
	case HTTP1_NAME_FORWARDED:
		return c->flags & HTTP1_SET_FORWARDED;
	}
	return false;
}

/* Lines of that name do not go on as they are. */
static __always_inline bool http1_cuts(const struct http1_conf *c, __u8 name)
{
	if (name == HTTP1_NAME_FOR)
		return http1_cuts_for(c);
	if (c->flags & HTTP1_STRIP)
		return true;
	return http1_sets(c, name) && !(c->flags & HTTP1_TRUSTED);
}

/* A forwarding field that is cut may begin with this letter. */
static __always_inline bool http1_may_forward(const struct http1_conf *c, __u8 letter)
{
	const __u16 set = HTTP1_SET_PROTO | HTTP1_SET_PORT | HTTP1_SET_REAL;

	if (letter == 'x')
		return http1_cuts_for(c) || c->flags & (HTTP1_STRIP | set);
	if (letter == 'f')
		return c->flags & (HTTP1_STRIP | HTTP1_SET_FORWARDED);
	return c->flags & HTTP1_STRIP && (letter == 'c' || letter == 't');
}

/* The client's values are kept, to go on in our line. */
static __always_inline bool http1_keeps_values(const struct http1_conf *c)
{
	return (c->mode == HTTP1_XFF_APPEND || c->mode == HTTP1_XFF_IF_NONE) &&
	       !(c->flags & HTTP1_DROP_INCOMING);
}

/* A line that is cut may begin with this byte. */
static __always_inline bool http1_may_be_cut(const struct http1_conf *c, __u8 b)
{
	__u8 letter = b | 0x20;

	if (http1_may_forward(c, letter))
		return true;
	return c->flags & HTTP1_CUT_H2C && (letter == 'h' || letter == 'u' || letter == 'c');
}

/*
 * The start of a line: the blank line, or a name. White space here is a folded line, or a line
 * before the first field. In a head, a CR is held because the text may go before it, and a name is
 * held because its line may be cut.
 */
static __always_inline enum http1_act http1_at_field(struct http1 *h, const struct http1_conf *c,
						     __u8 b)
{
	bool trailer = h->flags & HTTP1_F_TRAILER;

	h->token[0] = b;
	h->len = 1;
	if (b == '\r') {
		h->state = HTTP1_END_LF;
		if (trailer)
			return HTTP1_PASS;
		h->hold = HTTP1_HELD;
		return HTTP1_HOLD;
	}
	if (b == ' ' || b == '\t')
		return http1_refuse(h, KEDGE_REASON_http_fold);
	if (!http1_is_tchar(b))
		return http1_line_stray(h, b, KEDGE_REASON_http_field_name);
	if (h->fields >= KEDGE_FIELDS_MAX)
		return http1_refuse(h, KEDGE_REASON_http_too_many_fields);
	h->fields++;
	h->state = HTTP1_NAME;
	if (trailer || !http1_may_be_cut(c, b))
		return HTTP1_PASS;
	h->hold = HTTP1_HELD;
	return HTTP1_HOLD;
}

/* The rest of the name does not matter: a held run is released. */
static __always_inline enum http1_act http1_release(struct http1 *h, __u8 state)
{
	h->state = state;
	if (h->hold == HTTP1_LOOSE)
		return HTTP1_PASS;
	h->hold = HTTP1_LOOSE;
	return HTTP1_KEEP;
}

/* RFC 9112, 6.1 and 6.3: only one of the two, only once, and no coding in HTTP/1.0. */
static __always_inline enum http1_act http1_framing_field(struct http1 *h, __u8 name)
{
	bool length = name == HTTP1_NAME_LENGTH;

	if (h->flags & (length ? HTTP1_F_LENGTH : HTTP1_F_CODING))
		return http1_refuse(h, length ? KEDGE_REASON_http_content_length
					      : KEDGE_REASON_http_transfer_encoding);
	if (h->flags & (HTTP1_F_LENGTH | HTTP1_F_CODING))
		return http1_refuse(h, KEDGE_REASON_http_framing_conflict);
	if (length) {
		h->flags |= HTTP1_F_LENGTH;
		return http1_release(h, HTTP1_LENGTH);
	}
	if (h->flags & HTTP1_F_OLD)
		return http1_refuse(h, KEDGE_REASON_http_transfer_encoding);
	h->flags |= HTTP1_F_CODING;
	return http1_release(h, HTTP1_CODING);
}

/* The line will be taken out. */
static __always_inline enum http1_act http1_cut(struct http1 *h, __u8 state)
{
	h->hold = HTTP1_BEING_CUT;
	return http1_next(h, state);
}

/* The line of a trusted source stays: ours of that name is left out (http1_text()). */
static __always_inline void http1_keep_line(struct http1 *h, __u8 name)
{
	switch (name) {
	case HTTP1_NAME_PROTO:
		h->flags |= HTTP1_F_PROTO;
		break;
	case HTTP1_NAME_PORT:
		h->flags |= HTTP1_F_PORT;
		break;
	case HTTP1_NAME_REAL:
		h->flags |= HTTP1_F_REAL;
		break;
	}
}

static __always_inline enum http1_act http1_forwarding_field(struct http1 *h,
							     const struct http1_conf *c, __u8 name)
{
	__u8 of = name & ~HTTP1_NAME_ALIAS;

	if (name & HTTP1_NAME_ALIAS) {
		if (!http1_cuts(c, of) && !http1_sets(c, of))
			return http1_release(h, HTTP1_VALUE);
		if (!(c->flags & HTTP1_CUT_ALIASES))
			return http1_refuse(h, KEDGE_REASON_http_forwarding_alias);
	} else if (!http1_cuts(c, of)) {
		http1_keep_line(h, of);
		return http1_release(h, HTTP1_VALUE);
	}
	h->len = 0;
	if (name == HTTP1_NAME_FOR && http1_keeps_values(c))
		return http1_cut(h, HTTP1_XFF);
	return http1_cut(h, HTTP1_VALUE);
}

/* HTTP/2 without TLS: we would read HTTP/2 as HTTP/1.1. */
static __always_inline enum http1_act http1_upgrade_field(struct http1 *h,
							  const struct http1_conf *c, __u8 name)
{
	if (name == HTTP1_NAME_SETTINGS) {
		if (c->flags & HTTP1_CUT_H2C)
			return http1_cut(h, HTTP1_VALUE);
		return http1_refuse(h, KEDGE_REASON_http_upgrade);
	}
	if (h->hold == HTTP1_HELD) {
		h->token[http1_place(h->len, HTTP1_TOKEN_MAX)] = ':';
		h->len++;
		return http1_next(h, HTTP1_H2C);
	}
	h->flags |= HTTP1_F_UPGRADE;
	h->len = 0;
	return http1_next(h, HTTP1_PROTOCOLS);
}

/* "Connection: " */
#define HTTP1_OPTIONS_BEGIN 12

/* If h2c is cut, the line is held: its upgrade options may have to go. */
static __always_inline enum http1_act http1_connection_field(struct http1 *h,
							     const struct http1_conf *c)
{
	h->options_line = h->options_len;
	h->option_len = 0;
	if (!h->options_len) {
		http1_store8(h->options, HTTP1_WORD('C', 'o', 'n', 'n', 'e', 'c', 't', 'i'));
		http1_store8(h->options + 8, HTTP1_WORD('o', 'n', ':', ' ', 0, 0, 0, 0));
		h->options_len = HTTP1_OPTIONS_BEGIN;
	}
	if (!(c->flags & HTTP1_CUT_H2C)) {
		h->len = 0;
		return http1_release(h, HTTP1_OPTIONS);
	}
	h->token[http1_place(h->len, HTTP1_TOKEN_MAX)] = ':';
	h->len++;
	return http1_next(h, HTTP1_OPTIONS);
}

/* The colon after a name. h->token must stay as it is until a held run is released. */
static __always_inline enum http1_act http1_at_colon(struct http1 *h, const struct http1_conf *c)
{
	__u8 name = http1_name(h);

	h->sub = 0;
	if (name == HTTP1_NAME_OTHER)
		return http1_release(h, HTTP1_VALUE);
	if (h->flags & HTTP1_F_TRAILER)
		return http1_refuse(h, KEDGE_REASON_http_trailer);
	if ((name & ~HTTP1_NAME_ALIAS) >= HTTP1_NAME_FORWARDED)
		return http1_forwarding_field(h, c, name);
	if (name & HTTP1_NAME_ALIAS)
		return http1_refuse(h, KEDGE_REASON_http_forwarding_alias);
	if (name == HTTP1_NAME_UPGRADE || name == HTTP1_NAME_SETTINGS)
		return http1_upgrade_field(h, c, name);
	if (name == HTTP1_NAME_CONNECTION)
		return http1_connection_field(h, c);
	h->len = 0;
	if (name != HTTP1_NAME_HOST)
		return http1_framing_field(h, name);
	if (h->flags & HTTP1_F_HOST)
		return http1_refuse(h, KEDGE_REASON_http_host);
	h->flags |= HTTP1_F_HOST;
	return http1_release(h, HTTP1_HOST);
}

/*
 * A held name is now longer than all names that are cut, except those that begin with
 * "x-forwarded-". So it is decided here whether the line is cut.
 */
static __always_inline enum http1_act http1_long_name(struct http1 *h, const struct http1_conf *c)
{
	__u8 name;

	if (h->hold != HTTP1_HELD)
		return HTTP1_PASS;
	name = http1_name(h);
	if ((name & ~HTTP1_NAME_ALIAS) != HTTP1_NAME_STRIPPED ||
	    !http1_cuts(c, HTTP1_NAME_STRIPPED))
		return http1_release(h, HTTP1_NAME);
	if (name & HTTP1_NAME_ALIAS && !(c->flags & HTTP1_CUT_ALIASES))
		return http1_refuse(h, KEDGE_REASON_http_forwarding_alias);
	return http1_cut(h, HTTP1_NAME);
}

static __always_inline enum http1_act http1_at_name(struct http1 *h, const struct http1_conf *c,
						    __u8 b)
{
	if (b == ':')
		return http1_at_colon(h, c);
	if (!http1_is_tchar(b))
		return http1_line_stray(h, b, KEDGE_REASON_http_field_name);
	if (h->len < HTTP1_TOKEN_MAX)
		h->token[http1_place(h->len, HTTP1_TOKEN_MAX)] = b;
	h->len++;
	if (h->len <= HTTP1_CUT_NAME_MAX)
		return HTTP1_PASS;
	return http1_long_name(h, c);
}

static __always_inline enum http1_act http1_at_value(struct http1 *h, __u8 b)
{
	if (http1_is_value(b))
		return HTTP1_PASS;
	if (b == '\r')
		return http1_next(h, HTTP1_VALUE_LF);
	return http1_line_stray(h, b, KEDGE_REASON_http_malformed);
}

static __always_inline enum http1_act http1_at_value_lf(struct http1 *h, __u8 b)
{
	if (b != '\n')
		return http1_refuse(h, KEDGE_REASON_http_bare_cr_lf);
	h->state = HTTP1_FIELD;
	if (h->hold == HTTP1_LOOSE)
		return HTTP1_PASS;
	h->hold = HTTP1_LOOSE;
	return HTTP1_CUT;
}

/* Leaves two bytes free for the ", " before our address. */
static __always_inline enum http1_act http1_list_add(struct http1 *h, __u8 b)
{
	if (h->list_len >= KEDGE_XFF_BYTES_MAX - 2)
		return http1_refuse(h, KEDGE_REASON_http_xff_too_long);
	h->list[http1_place(h->list_len, KEDGE_XFF_BYTES_MAX)] = b;
	h->list_len++;
	return HTTP1_PASS;
}

/*
 * The client's values, verbatim except for white space at both ends. ", " joins lines (RFC 9110,
 * 5.3). len is 1 once the line has a value.
 */
static __always_inline enum http1_act http1_at_xff(struct http1 *h, __u8 b)
{
	bool space = b == ' ' || b == '\t';

	if (b == '\r') {
		h->list_len = h->list_fit;
		return http1_next(h, HTTP1_VALUE_LF);
	}
	if (!http1_is_value(b))
		return http1_line_stray(h, b, KEDGE_REASON_http_malformed);
	if (!h->len) {
		if (space)
			return HTTP1_PASS;
		h->len = 1;
		if (h->list_len) {
			if (http1_list_add(h, ',') || http1_list_add(h, ' '))
				return HTTP1_REFUSE;
		}
	}
	if (http1_list_add(h, b))
		return HTTP1_REFUSE;
	if (!space)
		h->list_fit = h->list_len;
	return HTTP1_PASS;
}

/* len counts the bytes that were equal to the authority of the target. */
static __always_inline enum http1_act http1_at_host(struct http1 *h, __u8 b)
{
	if (b == ' ' || b == '\t' || b == '\r') {
		if (!http1_host_complete(h->sub))
			return http1_refuse(h, KEDGE_REASON_http_host);
		if (b != '\r') {
			h->sub = h->sub == HTTP1_HOST_EMPTY ? HTTP1_HOST_EMPTY : HTTP1_HOST_DONE;
			return HTTP1_PASS;
		}
		if (h->flags & HTTP1_F_ABSOLUTE && h->len != h->authority_len)
			return http1_refuse(h, KEDGE_REASON_http_host);
		return http1_next(h, HTTP1_VALUE_LF);
	}
	h->sub = http1_host_next(h->sub, b);
	if (h->sub == HTTP1_HOST_BAD)
		return http1_line_stray(h, b, KEDGE_REASON_http_host);
	if (!(h->flags & HTTP1_F_ABSOLUTE))
		return HTTP1_PASS;
	if (h->len >= h->authority_len ||
	    h->authority[h->len % HTTP1_AUTHORITY_MAX] != http1_lower(b))
		return http1_refuse(h, KEDGE_REASON_http_host);
	h->len++;
	return HTTP1_PASS;
}

/* 1*DIGIT, less than 2^63, with spaces at both ends and nothing else. */
static __always_inline enum http1_act http1_at_length(struct http1 *h, __u8 b)
{
	const __u64 max = (1ULL << 63) - 1;
	__u8 digit = b - '0';

	if (digit < 10 && h->sub < 2) {
		if (h->left > max / 10 || (h->left == max / 10 && digit > max % 10))
			return http1_refuse(h, KEDGE_REASON_http_content_length);
		h->left = h->left * 10 + digit;
		h->sub = 1;
		return HTTP1_PASS;
	}
	if (b == ' ') {
		h->sub = h->sub ? 2 : 0;
		return HTTP1_PASS;
	}
	if (b == '\r' && h->sub)
		return http1_next(h, HTTP1_VALUE_LF);
	return http1_stray(h, b, KEDGE_REASON_http_content_length);
}

/* "chunked" and nothing else. Spaces only before it: some servers fail with spaces behind it. */
static __always_inline enum http1_act http1_at_coding(struct http1 *h, __u8 b)
{
	__u8 at = h->sub & 7;

	if (at == 7 && b == '\r')
		return http1_next(h, HTTP1_VALUE_LF);
	if (at == 0 && b == ' ')
		return HTTP1_PASS;
	if (at == 7 ||
	    http1_lower(b) != ((HTTP1_WORD('c', 'h', 'u', 'n', 'k', 'e', 'd', 0) >> 8 * at) & 0xff))
		return http1_stray(h, b, KEDGE_REASON_http_transfer_encoding);
	h->sub++;
	return HTTP1_PASS;
}
