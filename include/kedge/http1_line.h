/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: the states of http1.h before and in a request line (RFC 9112, sections 2.2 and 3).
 * Part of http1.h; do not include it alone.
 *
 * Each function takes one byte in one state and returns at once. They share only leaf helpers, so
 * that the verifier walks the sum of their paths, not the product.
 */
#pragma once

/* Facts about the present request: http1.flags. */
#define HTTP1_F_OLD      0x0001 /* HTTP/1.0 */
#define HTTP1_F_HEAD     0x0002 /* the method is HEAD */
#define HTTP1_F_STAR     0x0004 /* the method is OPTIONS, which may have the target "*" */
#define HTTP1_F_ABSOLUTE 0x0008 /* the target names an authority */
#define HTTP1_F_HOST     0x0010 /* seen: Host */
#define HTTP1_F_LENGTH   0x0020 /* seen: Content-Length */
#define HTTP1_F_CODING   0x0040 /* seen: Transfer-Encoding */
#define HTTP1_F_UPGRADE  0x0080 /* seen: Upgrade */
#define HTTP1_F_OPTION   0x0100 /* seen: Connection: upgrade */
#define HTTP1_F_TRAILER  0x0200 /* the lines are trailers */
#define HTTP1_F_PROTO    0x0400 /* seen, from a trusted source: X-Forwarded-Proto */
#define HTTP1_F_PORT     0x0800 /* X-Forwarded-Port */
#define HTTP1_F_REAL     0x1000 /* X-Real-IP */
#define HTTP1_F_COLLECT  0x2000 /* a Connection line was cut: its options are put back */
#define HTTP1_F_H2C      0x4000 /* an Upgrade to HTTP/2 was cut */
#define HTTP1_F_CLOSE    0x8000 /* seen: Connection: close */

/*
 * The place of byte i in an array of `room` bytes. Each writer has already refused or skipped bytes
 * that do not fit. The modulo is for the verifier, which needs to see the bound again.
 */
static __always_inline __u32 http1_place(__u32 i, __u32 room)
{
#ifndef __bpf__
	assert(i < room);
#endif
	return i % room;
}

static __always_inline enum http1_act http1_refuse(struct http1 *h, __u8 reason)
{
	h->state = HTTP1_REFUSED;
	h->reason = reason;
	return HTTP1_REFUSE;
}

/* A byte that is not allowed here. A lone LF has its own reason. */
static __always_inline enum http1_act http1_stray(struct http1 *h, __u8 b, __u8 reason)
{
	return http1_refuse(h, b == '\n' ? KEDGE_REASON_http_bare_cr_lf : reason);
}

static __always_inline enum http1_act http1_next(struct http1 *h, __u8 state)
{
	h->state = state;
	return HTTP1_PASS;
}

/* The first byte of a request: forgets the request before it. */
static __always_inline void http1_begin(struct http1 *h)
{
	h->flags = 0;
	h->fields = 0;
	h->head = 1;
	h->left = 0;
	h->list_len = 0;
	h->list_fit = 0;
	h->authority_len = 0;
	h->options_len = 0;
}

/* RFC 9112, 2.2: one empty line before a request is ignored and not passed on. */
static __always_inline enum http1_act http1_at_start(struct http1 *h, __u8 b)
{
	if (b == '\r' && h->state == HTTP1_START) {
		h->state = HTTP1_START_LF;
		h->hold = HTTP1_BEING_CUT;
		return HTTP1_HOLD;
	}
	if (!http1_is_tchar(b))
		return http1_stray(h, b, KEDGE_REASON_http_request_line);
	http1_begin(h);
	h->token[0] = b;
	h->len = 1;
	return http1_next(h, HTTP1_METHOD);
}

static __always_inline enum http1_act http1_at_start_lf(struct http1 *h, __u8 b)
{
	if (b != '\n')
		return http1_refuse(h, KEDGE_REASON_http_bare_cr_lf);
	h->hold = HTTP1_LOOSE;
	h->state = HTTP1_START_REQ;
	return HTTP1_CUT;
}

/*
 * The method is in h->token. CONNECT would make a tunnel, and PRI begins HTTP/2. "head" in another
 * case is refused: servers disagree on whether its response has a body.
 */
static __always_inline enum http1_act http1_at_method_end(struct http1 *h)
{
	const __u64 lower = 0x2020202020202020ULL;
	__u64 w = h->word[0];

	if (h->len == 4 && HTTP1_LOW(w | lower, 4) == HTTP1_WORD('h', 'e', 'a', 'd', 0, 0, 0, 0)) {
		h->flags = HTTP1_F_HEAD;
		if (HTTP1_LOW(w, 4) != HTTP1_WORD('H', 'E', 'A', 'D', 0, 0, 0, 0))
			return http1_refuse(h, KEDGE_REASON_http_method);
	} else if (h->len == 3 && HTTP1_LOW(w, 3) == HTTP1_WORD('P', 'R', 'I', 0, 0, 0, 0, 0)) {
		return http1_refuse(h, KEDGE_REASON_http_version);
	} else if (h->len == 7) {
		if (HTTP1_LOW(w | lower, 7) == HTTP1_WORD('c', 'o', 'n', 'n', 'e', 'c', 't', 0))
			return http1_refuse(h, KEDGE_REASON_http_method);
		if (HTTP1_LOW(w, 7) == HTTP1_WORD('O', 'P', 'T', 'I', 'O', 'N', 'S', 0))
			h->flags = HTTP1_F_STAR;
	}
	return http1_next(h, HTTP1_TARGET);
}

static __always_inline enum http1_act http1_at_method(struct http1 *h, __u8 b)
{
	if (b == ' ')
		return http1_at_method_end(h);
	if (!http1_is_tchar(b))
		return http1_stray(h, b, KEDGE_REASON_http_request_line);
	if (h->len >= KEDGE_METHOD_BYTES_MAX)
		return http1_refuse(h, KEDGE_REASON_http_method);
	h->token[http1_place(h->len, HTTP1_TOKEN_MAX)] = b;
	h->len++;
	return HTTP1_PASS;
}

/* A byte that is not allowed in a target. White space or CR is a fault of the whole line. */
static __always_inline enum http1_act http1_target_stray(struct http1 *h, __u8 b)
{
	if (b == ' ' || b == '\t' || b == '\r')
		return http1_refuse(h, KEDGE_REASON_http_request_line);
	return http1_stray(h, b, KEDGE_REASON_http_target);
}

static __always_inline enum http1_act http1_at_target(struct http1 *h, __u8 b)
{
	if (b == '/')
		return http1_next(h, HTTP1_PATH);
	if (b == '*' && h->flags & HTTP1_F_STAR)
		return http1_next(h, HTTP1_TARGET_END);
	if (b == 'h' || b == 'H') {
		h->sub = 1;
		return http1_next(h, HTTP1_SCHEME);
	}
	return http1_target_stray(h, b);
}

/* "http://" or "https://". sub is the place in the former, plus 0x10 once the s was seen. */
static __always_inline enum http1_act http1_at_scheme(struct http1 *h, __u8 b)
{
	__u8 at = h->sub & 7;

	if (h->sub == 4 && http1_lower(b) == 's') {
		h->sub |= 0x10;
		return HTTP1_PASS;
	}
	if (http1_lower(b) != ((HTTP1_WORD('h', 't', 't', 'p', ':', '/', '/', 0) >> 8 * at) & 0xff))
		return http1_target_stray(h, b);
	h->sub++;
	if (at < 6)
		return HTTP1_PASS;
	h->flags |= HTTP1_F_ABSOLUTE;
	h->sub = 0;
	return http1_next(h, HTTP1_AUTHORITY);
}

/* uri-host [ ":" port ] (RFC 9110, 7.2): http1.sub in an authority and in Host. */
enum http1_host {
	HTTP1_HOST_EMPTY,
	HTTP1_HOST_NAME,    /* a name or an IPv4 address */
	HTTP1_HOST_OPEN,    /* after "[" */
	HTTP1_HOST_LITERAL, /* inside an IPv6 address */
	HTTP1_HOST_CLOSED,  /* after "]" */
	HTTP1_HOST_BAD,
	HTTP1_HOST_DONE, /* after white space at the end */
	HTTP1_HOST_PORT, /* after ":"; one more for each digit */
};

/* A port has five digits at most. */
#define HTTP1_HOST_PORT_END (HTTP1_HOST_PORT + 5)

static __always_inline __u8 http1_host_next(__u8 sub, __u8 b)
{
	if (sub == HTTP1_HOST_OPEN || sub == HTTP1_HOST_LITERAL) {
		if (b == ']' && sub == HTTP1_HOST_LITERAL)
			return HTTP1_HOST_CLOSED;
		return http1_hex(b) < 16 || b == ':' || b == '.' ? HTTP1_HOST_LITERAL
								 : HTTP1_HOST_BAD;
	}
	if (sub >= HTTP1_HOST_PORT)
		return http1_is_digit(b) && sub < HTTP1_HOST_PORT_END ? sub + 1 : HTTP1_HOST_BAD;
	if (sub == HTTP1_HOST_EMPTY && b == '[')
		return HTTP1_HOST_OPEN;
	if (sub == HTTP1_HOST_DONE)
		return HTTP1_HOST_BAD;
	if (sub != HTTP1_HOST_EMPTY && b == ':')
		return HTTP1_HOST_PORT;
	return sub != HTTP1_HOST_CLOSED && http1_is_regname(b) ? HTTP1_HOST_NAME : HTTP1_HOST_BAD;
}

static __always_inline bool http1_host_complete(__u8 sub)
{
	return sub != HTTP1_HOST_OPEN && sub != HTTP1_HOST_LITERAL;
}

/* Kept in lower case, for the comparison with Host. "@" (user information) is not in the set. */
static __always_inline enum http1_act http1_at_authority(struct http1 *h, __u8 b)
{
	__u32 n = h->authority_len;

	if (b == '/' || b == '?' || b == ' ') {
		if (h->sub == HTTP1_HOST_EMPTY || !http1_host_complete(h->sub))
			return http1_refuse(h, KEDGE_REASON_http_target);
		h->sub = 0;
		return http1_next(h, b == ' ' ? HTTP1_VERSION : HTTP1_PATH);
	}
	h->sub = http1_host_next(h->sub, b);
	if (h->sub == HTTP1_HOST_BAD || n >= HTTP1_AUTHORITY_MAX)
		return http1_target_stray(h, b);
	h->authority[http1_place(n, HTTP1_AUTHORITY_MAX)] = http1_lower(b);
	h->authority_len = n + 1;
	return HTTP1_PASS;
}

static __always_inline enum http1_act http1_at_path(struct http1 *h, __u8 b)
{
	if (b > 0x20 && b < 0x7f && b != '#')
		return HTTP1_PASS;
	if (b != ' ')
		return http1_target_stray(h, b);
	h->sub = 0;
	return http1_next(h, HTTP1_VERSION);
}

static __always_inline enum http1_act http1_at_target_end(struct http1 *h, __u8 b)
{
	if (b != ' ')
		return http1_target_stray(h, b);
	h->sub = 0;
	return http1_next(h, HTTP1_VERSION);
}

/* A wrong byte after "HTTP/" is another version. A wrong byte before that is no version at all. */
static __always_inline enum http1_act http1_at_version(struct http1 *h, __u8 b)
{
	__u8 at = h->sub & 7;

	if (at == 7 && (b == '0' || b == '1')) {
		if (b == '0')
			h->flags |= HTTP1_F_OLD;
		return http1_next(h, HTTP1_LINE_CR);
	}
	h->sub++;
	if (at < 7 && b == ((HTTP1_WORD('H', 'T', 'T', 'P', '/', '1', '.', 0) >> 8 * at) & 0xff))
		return HTTP1_PASS;
	if (at >= 5 && b > 0x20)
		return http1_refuse(h, KEDGE_REASON_http_version);
	return http1_stray(h, b, KEDGE_REASON_http_request_line);
}

static __always_inline enum http1_act http1_at_line_cr(struct http1 *h, __u8 b)
{
	if (b == '\r')
		return http1_next(h, HTTP1_LINE_LF);
	if (http1_is_digit(b))
		return http1_refuse(h, KEDGE_REASON_http_version);
	return http1_stray(h, b, KEDGE_REASON_http_request_line);
}

static __always_inline enum http1_act http1_at_line_lf(struct http1 *h, __u8 b)
{
	if (b != '\n')
		return http1_refuse(h, KEDGE_REASON_http_bare_cr_lf);
	return http1_next(h, HTTP1_FIELD);
}
