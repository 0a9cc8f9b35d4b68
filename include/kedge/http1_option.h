/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: the states of http1.h in the values of Connection and Upgrade (RFC 9110, sections
 * 7.6.1 and 7.8). Part of http1.h; do not include it alone.
 */
#pragma once

/* The line is taken out. http1_end_options() puts its other options back. */
static __always_inline void http1_collect(struct http1 *h)
{
	if (h->hold != HTTP1_HELD)
		return;
	h->hold = HTTP1_BEING_CUT;
	h->len = 0;
	h->flags |= HTTP1_F_COLLECT;
}

/* The place of the next option. */
static __always_inline __u32 http1_option_at(const struct http1 *h)
{
	return h->options_len == HTTP1_OPTIONS_BEGIN ? HTTP1_OPTIONS_BEGIN : h->options_len + 2;
}

static __always_inline enum http1_act http1_option_byte(struct http1 *h, __u8 b)
{
	__u32 at = http1_option_at(h) + h->option_len;

	if (h->sub)
		return http1_refuse(h, KEDGE_REASON_http_connection_malformed);
	if (at >= HTTP1_OPTIONS_MAX)
		return http1_refuse(h, KEDGE_REASON_http_connection_too_long);
	if (!h->option_len && at > HTTP1_OPTIONS_BEGIN) {
		h->options[http1_place(at - 2, 256)] = ',';
		h->options[http1_place(at - 1, 256)] = ' ';
	}
	h->options[http1_place(at, 256)] = b;
	h->option_len++;
	return HTTP1_PASS;
}

static __always_inline bool http1_is_close(__u32 len, __u64 word)
{
	return len == 5 && (HTTP1_LOW(word, 5) | HTTP1_LOW(HTTP1_ONES * 0x20, 5)) ==
				   HTTP1_WORD('c', 'l', 'o', 's', 'e', 0, 0, 0);
}

/*
 * An option is complete. The next proxy removes the fields that Connection lists: false if that
 * must not happen to this one. Options that ask for an upgrade do not stay.
 */
static __always_inline bool http1_option_end(struct http1 *h)
{
	__u32 len = h->option_len, at = http1_option_at(h);
	const __u8 *p = h->options + http1_place(at, 256);
	__u8 name = http1_name_read(len, http1_load8(p), http1_load8(p + 8), http1_load8(p + 16));

	h->option_len = 0;
	h->sub = 1;
	if (http1_is_close(len, http1_load8(p)))
		h->flags |= HTTP1_F_CLOSE;
	switch (name) {
	case HTTP1_NAME_UPGRADE:
		h->flags |= HTTP1_F_OPTION;
		http1_collect(h);
		return true;
	case HTTP1_NAME_SETTINGS:
		http1_collect(h);
		return true;
	}
	h->options_len = at + len;
	name &= ~HTTP1_NAME_ALIAS;
	return name != HTTP1_NAME_HOST && name != HTTP1_NAME_LENGTH && name != HTTP1_NAME_CODING &&
	       name < HTTP1_NAME_FORWARDED;
}

/* The CR after the options. A line that asks for no upgrade stays as it came. */
static __always_inline enum http1_act http1_options_end(struct http1 *h)
{
	if (h->hold == HTTP1_BEING_CUT)
		return http1_next(h, HTTP1_VALUE_LF);
	h->options_len = h->options_line;
	h->len = 0;
	return http1_release(h, HTTP1_VALUE_LF);
}

/* A held line that is too long to be kept is taken out, whatever it says. */
static __always_inline enum http1_act http1_at_options(struct http1 *h, const struct http1_conf *c,
						       __u8 b)
{
	if (http1_is_tchar(b)) {
		if (http1_option_byte(h, b))
			return HTTP1_REFUSE;
	} else {
		if (b != ',' && b != ' ' && b != '\t' && b != '\r')
			return http1_line_stray(h, b, KEDGE_REASON_http_connection_malformed);
		if (h->option_len && !http1_option_end(h))
			return http1_refuse(h, KEDGE_REASON_http_connection_field);
		if (b == '\r')
			return http1_options_end(h);
		if (b == ',')
			h->sub = 0;
	}
	if (h->hold != HTTP1_HELD)
		return HTTP1_PASS;
	if (h->len >= HTTP1_TOKEN_MAX) {
		http1_collect(h);
		return HTTP1_PASS;
	}
	h->token[http1_place(h->len, HTTP1_TOKEN_MAX)] = b;
	h->len++;
	return HTTP1_PASS;
}

/* The head ends: options that were taken out come back. Upgrade does if a protocol is left. */
static __always_inline void http1_end_options(struct http1 *h)
{
	const __u64 upgrade = HTTP1_WORD('U', 'p', 'g', 'r', 'a', 'd', 'e', '\r');
	__u32 at = h->options_len;

	if (!(h->flags & HTTP1_F_COLLECT))
		return;
	if (h->flags & HTTP1_F_OPTION &&
	    (h->flags & HTTP1_F_UPGRADE || !(h->flags & HTTP1_F_H2C))) {
		at = http1_option_at(h);
		if (at > HTTP1_OPTIONS_BEGIN) {
			h->options[http1_place(at - 2, 256)] = ',';
			h->options[http1_place(at - 1, 256)] = ' ';
		}
		http1_store8(h->options + http1_place(at, 256), upgrade);
		at += 7;
	} else if (at == HTTP1_OPTIONS_BEGIN) {
		h->options_len = 0;
		return;
	}
	h->options[http1_place(at, 256)] = '\r';
	h->options[http1_place(at + 1, 256)] = '\n';
	h->options_len = at + 2;
}

/* "h2c", or "h2", which is the same over TLS. */
static __always_inline bool http1_is_h2(__u32 len, __u64 word)
{
	word |= 0x202020;
	return (len == 3 && HTTP1_LOW(word, 3) == HTTP1_WORD('h', '2', 'c', 0, 0, 0, 0, 0)) ||
	       (len == 2 && HTTP1_LOW(word, 2) == HTTP1_WORD('h', '2', 0, 0, 0, 0, 0, 0));
}

/* Upgrade: any protocol except HTTP/2, since we would go on reading HTTP/1.1. */
static __always_inline enum http1_act http1_at_protocols(struct http1 *h, __u8 b)
{
	if (http1_is_tchar(b)) {
		if (h->len < 4) {
			h->token[http1_place(h->len, HTTP1_TOKEN_MAX)] = b;
			h->len++;
		}
		return HTTP1_PASS;
	}
	if (http1_is_h2(h->len, h->word[0]))
		return http1_refuse(h, KEDGE_REASON_http_upgrade);
	h->len = 0;
	return http1_at_value(h, b);
}

/* http1.sub in HTTP1_H2C: bytes of "h2c" seen, or */
#define HTTP1_H2C_SPACE 4    /* in the space after it */
#define HTTP1_H2C_MORE  0x10 /* added: an earlier protocol was "h2c" or "h2" */

/*
 * Upgrade if HTTP/2 is taken out. The line is held while its value has only "h2c" and "h2". It is
 * released when the value begins with another protocol. A value that has both is refused, and so is
 * one that is too long to be kept.
 */
static __always_inline enum http1_act http1_at_h2c(struct http1 *h, __u8 b)
{
	bool space = b == ' ' || b == '\t', tchar = http1_is_tchar(b);
	__u8 at = h->sub & 7, more = h->sub & HTTP1_H2C_MORE;
	enum http1_act act = HTTP1_PASS;
	bool whole = at >= 2 || (!at && more); /* between two of them, or none after a comma */

	if (b == '\r' && whole) {
		h->flags |= HTTP1_F_H2C;
		return http1_cut(h, HTTP1_VALUE_LF);
	}
	if (h->len >= HTTP1_TOKEN_MAX)
		return http1_refuse(h, KEDGE_REASON_http_upgrade);
	h->token[http1_place(h->len, HTTP1_TOKEN_MAX)] = b;
	if (b == ',' && whole)
		h->sub = HTTP1_H2C_MORE;
	else if (space && (!at || at >= 2))
		h->sub = at ? HTTP1_H2C_SPACE | more : h->sub;
	else if (at < 3 &&
		 http1_lower(b) == ((HTTP1_WORD('h', '2', 'c', 0, 0, 0, 0, 0) >> 8 * at) & 0xff))
		h->sub++;
	else if (more || at == HTTP1_H2C_SPACE || (at >= 2 && !tchar))
		return http1_stray(h, b, KEDGE_REASON_http_upgrade);
	else
		goto another;
	h->len++;
	return HTTP1_PASS;
another:
	h->flags |= HTTP1_F_UPGRADE;
	h->state = HTTP1_PROTOCOLS;
	h->len = tchar ? 4 : 0; /* inside another protocol's name, or after it */
	if (!tchar)
		act = http1_at_value(h, b);
	return act == HTTP1_PASS ? http1_release(h, h->state) : act;
}
