/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: the states of http1.h from the blank line on: the body (RFC 9112, sections 6 and
 * 7.1). Part of http1.h; do not include it alone. Trailers are field lines: http1_field.h.
 */
#pragma once

/*
 * The blank line. Framing conflicts were refused before; here it is checked that nothing required
 * is missing. A request that asks for an upgrade must have no body: the body could not be told from
 * the new protocol.
 */
static __always_inline enum http1_act http1_at_end_lf(struct http1 *h, const struct http1_conf *c,
						      __u8 b)
{
	const __u16 asks = HTTP1_F_UPGRADE | HTTP1_F_OPTION;
	bool upgrade = (h->flags & (asks | HTTP1_F_OLD)) == asks;

	if (b != '\n')
		return http1_refuse(h, KEDGE_REASON_http_bare_cr_lf);
	if (h->flags & HTTP1_F_TRAILER)
		return http1_next(h, HTTP1_START);
	if (!(h->flags & (HTTP1_F_HOST | HTTP1_F_OLD)))
		return http1_refuse(h, KEDGE_REASON_http_host);
	if (upgrade && (h->flags & HTTP1_F_CODING || h->left))
		return http1_refuse(h, KEDGE_REASON_http_upgrade_body);
	http1_end_options(h);
	h->hold = HTTP1_LOOSE;
	h->len = 0;
	h->requests++;
	if (h->list_len && c->mode == HTTP1_XFF_APPEND) {
		h->list[http1_place(h->list_len, KEDGE_XFF_BYTES_MAX)] = ',';
		h->list[http1_place(h->list_len + 1, KEDGE_XFF_BYTES_MAX)] = ' ';
		h->list_len += 2;
	}
	if (upgrade)
		h->state = HTTP1_WAITING;
	else if (h->flags & HTTP1_F_CODING)
		h->state = HTTP1_SIZE;
	else
		h->state = h->left ? HTTP1_BODY : HTTP1_START;
	return HTTP1_END;
}

/* One byte of a body or of a chunk; http1_body() takes blocks. */
static __always_inline enum http1_act http1_at_data(struct http1 *h)
{
	h->left--;
	if (!h->left)
		h->state = h->state == HTTP1_BODY ? HTTP1_START : HTTP1_CHUNK_CR;
	return HTTP1_PASS;
}

/* 1*HEXDIG, at most 16 of them and less than 2^63; no space, no sign. len counts. */
static __always_inline enum http1_act http1_at_size(struct http1 *h, __u8 b)
{
	__u8 digit = http1_hex(b);

	if (digit < 16) {
		if (h->len >= 16 || h->left >> 59)
			return http1_refuse(h, KEDGE_REASON_http_chunk);
		h->left = h->left << 4 | digit;
		h->len++;
		return HTTP1_PASS;
	}
	if (!h->len || (b != ';' && b != '\r'))
		return http1_refuse(h, KEDGE_REASON_http_chunk);
	h->len = 0;
	return http1_next(h, b == ';' ? HTTP1_EXTENSION : HTTP1_SIZE_LF);
}

/* Passed unread, but bounded, and only with visible characters and white space. */
static __always_inline enum http1_act http1_at_extension(struct http1 *h, __u8 b)
{
	if (b == '\r')
		return http1_next(h, HTTP1_SIZE_LF);
	h->len++;
	if (b >= 0x7f || !http1_is_value(b) || h->len > KEDGE_CHUNK_EXT_BYTES_MAX)
		return http1_refuse(h, KEDGE_REASON_http_chunk);
	return HTTP1_PASS;
}

static __always_inline enum http1_act http1_at_size_lf(struct http1 *h, __u8 b)
{
	if (b != '\n')
		return http1_refuse(h, KEDGE_REASON_http_chunk);
	if (h->left)
		return http1_next(h, HTTP1_CHUNK);
	h->flags |= HTTP1_F_TRAILER;
	h->fields = 0;
	h->head = 0;
	return http1_next(h, HTTP1_FIELD);
}

static __always_inline enum http1_act http1_at_chunk_cr(struct http1 *h, __u8 b)
{
	if (b != '\r')
		return http1_refuse(h, KEDGE_REASON_http_chunk);
	return http1_next(h, HTTP1_CHUNK_LF);
}

static __always_inline enum http1_act http1_at_chunk_lf(struct http1 *h, __u8 b)
{
	if (b != '\n')
		return http1_refuse(h, KEDGE_REASON_http_chunk);
	h->len = 0;
	return http1_next(h, HTTP1_SIZE);
}
