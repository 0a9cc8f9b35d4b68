/*
 * both sides: the states of http1.h in a body (RFC 9112, 6 and 7.1). Part of http1.h, which see;
 * not included by itself. Trailers are lines: http1_field.h.
 */
#pragma once

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

/* Passed unread, but bounded and of visible characters and white space only. */
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
