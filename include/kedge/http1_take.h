/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: takes many bytes at a time where most bytes are: the usual request lines, lines that
 * mean nothing here, values, names and hosts. Part of http1.h; do not include it alone.
 *
 * Each function takes as many bytes from p on as it can, none at or after `end`, and returns how
 * many. The state is then as http1_byte() would have left it, except for bytes of h->token beyond
 * h->len. All bytes are HTTP1_PASS (a held run that begins and ends among them was kept). No
 * request ends with them and no limit is crossed. Everything unusual is left to http1_byte(): 0 is
 * always a correct answer.
 */
#pragma once

/* Bytes of a value in one call: the verifier walks every word of them. */
#define HTTP1_TAKE_BYTES 64
/* Bytes of a name: room for "Transfer-Encoding" and all other names that matter. */
#define HTTP1_TAKE_NAME  24

/*
 * The verifier walks the code that follows once for each value that it knows n may have. This makes
 * it forget: n (below 128) goes through memory that it does not track. Adds n to h->head, which all
 * callers must do anyway.
 */
static __always_inline __u32 http1_account(struct http1 *h, __u32 n)
{
#ifdef __bpf__
	volatile __u32 *memory = &h->head;
	__u32 before = *memory;

	*memory = before + n;
	return (*memory - before) & 0x7f;
#else
	h->head += n;
	return n;
#endif
}

/* One word of a run. Returns from the function if the run ends in it. */
#define HTTP1_RUN_WORD(i, ends)                               \
	do {                                                  \
		__u64 mask_;                                  \
		if (p + 8 * (i) + 8 > end)                    \
			return 8 * (i);                       \
		mask_ = ends(http1_load8(p + 8 * (i)));       \
		if (mask_)                                    \
			return 8 * (i) + http1_before(mask_); \
	} while (0)

/* Bytes of a value at p, at most HTTP1_TAKE_BYTES. */
static __always_inline __u32 http1_value_run(const __u8 *p, const __u8 *end)
{
	HTTP1_RUN_WORD(0, http1_value_ends);
	HTTP1_RUN_WORD(1, http1_value_ends);
	HTTP1_RUN_WORD(2, http1_value_ends);
	HTTP1_RUN_WORD(3, http1_value_ends);
	HTTP1_RUN_WORD(4, http1_value_ends);
	HTTP1_RUN_WORD(5, http1_value_ends);
	HTTP1_RUN_WORD(6, http1_value_ends);
	HTTP1_RUN_WORD(7, http1_value_ends);
	return HTTP1_TAKE_BYTES;
}

/* The same for a target, at most half as many. */
static __always_inline __u32 http1_path_run(const __u8 *p, const __u8 *end)
{
	HTTP1_RUN_WORD(0, http1_path_ends);
	HTTP1_RUN_WORD(1, http1_path_ends);
	HTTP1_RUN_WORD(2, http1_path_ends);
	HTTP1_RUN_WORD(3, http1_path_ends);
	return HTTP1_TAKE_BYTES / 2;
}

static __always_inline bool http1_is_crlf(const __u8 *p, const __u8 *end)
{
	return p + 2 <= end && p[0] == '\r' && p[1] == '\n';
}

/* n bytes of a value were taken, up to p. Takes the end of the line, too, if it follows. */
static __always_inline __u32 http1_take_crlf(struct http1 *h, __u32 n, const __u8 *p,
					     const __u8 *end)
{
	if (!http1_is_crlf(p, end))
		return n;
	h->head += 2;
	h->state = HTTP1_FIELD;
	return n + 2;
}

static __always_inline __u32 http1_take_value(struct http1 *h, __u32 max, const __u8 *p,
					      const __u8 *end)
{
	__u32 n;

	if (h->head + HTTP1_TAKE_BYTES + 2 > max)
		return 0;
	n = http1_account(h, http1_value_run(p, end));
	return h->hold == HTTP1_LOOSE ? http1_take_crlf(h, n, p + n, end) : n;
}

/* The rest of "Connection: keep-alive" or "Connection: close", with the CRLF; p is at the space. */
static __always_inline __u32 http1_take_option(struct http1 *h, const __u8 *p, const __u8 *end)
{
	__u64 word;
	__u32 n = 8;

	if (p + 13 > end)
		return 0;
	word = http1_load8(p);
	if (word == HTTP1_WORD(' ', 'k', 'e', 'e', 'p', '-', 'a', 'l'))
		n = 13;
	else if (word != HTTP1_WORD(' ', 'c', 'l', 'o', 's', 'e', '\r', '\n'))
		return 0;
	if (n == 13 && http1_load8(p + 5) != HTTP1_WORD('-', 'a', 'l', 'i', 'v', 'e', '\r', '\n'))
		return 0;
	if (n == 8)
		h->flags |= HTTP1_F_CLOSE;
	h->len = 0;
	h->sub = 1;
	return n;
}

/* The line at p has a name of len bytes that means something. Only a few are taken whole. */
static __always_inline __u32 http1_take_known(struct http1 *h, __u8 name, __u32 len, const __u8 *p,
					      const __u8 *end)
{
	__u32 n;

	if (h->flags & HTTP1_F_TRAILER)
		return 0;
	if (name == HTTP1_NAME_CONNECTION) {
		n = http1_take_option(h, p, end);
		if (!n)
			return 0;
		n += len + 1;
	} else if (name == HTTP1_NAME_HOST && !(h->flags & HTTP1_F_HOST)) {
		h->flags |= HTTP1_F_HOST;
		h->state = HTTP1_HOST;
		h->sub = HTTP1_HOST_EMPTY;
		h->len = 0;
		n = len + 1;
	} else {
		return 0;
	}
	h->fields++;
	h->head += n;
	return n;
}

/* Like http1_account(), for the length of a name, which is stored in h->len. */
static __always_inline __u32 http1_forget_len(struct http1 *h, __u32 len)
{
#ifdef __bpf__
	volatile __u16 *memory = &h->len;

	*memory = len;
	return *memory & 0x1f;
#else
	h->len = len;
	return len;
#endif
}

/* From the first byte of a line on. */
static __always_inline __u32 http1_take_line(struct http1 *h, __u32 max, const __u8 *p,
					     const __u8 *end)
{
	const __u64 lower = HTTP1_ONES * 0x20;
	const __u8 *line = p;
	__u64 w0, w1, w2;
	__u32 len, n;
	__u8 name;

	if (p + HTTP1_TAKE_NAME + 1 > end || h->fields >= KEDGE_FIELDS_MAX ||
	    h->head + HTTP1_TAKE_NAME + 3 + HTTP1_TAKE_BYTES > max)
		return 0;
	w0 = http1_load8(p);
	w1 = http1_load8(p + 8);
	w2 = http1_load8(p + 16);
	len = http1_before(~http1_name_bytes(w0) & HTTP1_HIGHS);
	if (len == 8)
		len += http1_before(~http1_name_bytes(w1) & HTTP1_HIGHS);
	if (len == 16)
		len += http1_before(~http1_name_bytes(w2) & HTTP1_HIGHS);
	p += len;
	if (!len || len > HTTP1_TAKE_NAME || p + 1 > end || *p != ':')
		return 0;
	name = http1_name_of(len, w0 | lower, w1 | lower, w2 | lower);
	len = http1_forget_len(h, len);
	p = line + len + 1;
	if (name != HTTP1_NAME_OTHER)
		return http1_take_known(h, name, len, p, end);
	h->word[0] = w0;
	h->word[1] = w1;
	h->word[2] = w2;
	h->sub = 0;
	h->fields++;
	h->state = HTTP1_VALUE;
	n = http1_account(h, len + 1 + http1_value_run(p, end));
	return http1_take_crlf(h, n, line + n, end);
}

/* Letters and dashes of a name, up to a word of them. */
static __always_inline __u32 http1_take_name(struct http1 *h, __u32 max, const __u8 *p)
{
	__u32 len = h->len, n;
	__u64 word;

	if (len > HTTP1_TOKEN_MAX - 8 || h->head + 8 > max)
		return 0;
	if (h->hold != HTTP1_LOOSE && len > HTTP1_CUT_NAME_MAX - 8)
		return 0;
	word = http1_load8(p);
	n = http1_before(~http1_name_bytes(word) & HTTP1_HIGHS);
	http1_store8(h->token + len, word);
	h->len = len + n;
	h->head += n;
	return n;
}

/* The space before a host, or up to a word of a host name. With the CRLF if it follows. */
static __always_inline __u32 http1_take_host(struct http1 *h, __u32 max, const __u8 *p,
					     const __u8 *end)
{
	__u32 n;

	if (h->flags & HTTP1_F_ABSOLUTE || h->sub > HTTP1_HOST_NAME || h->head + 10 > max)
		return 0;
	if (h->sub == HTTP1_HOST_EMPTY && *p == ' ') {
		h->head++;
		return 1;
	}
	n = http1_before(~http1_host_bytes(http1_load8(p)) & HTTP1_HIGHS);
	if (n)
		h->sub = HTTP1_HOST_NAME;
	n = http1_account(h, n);
	return http1_take_crlf(h, n, p + n, end);
}

/* "GET /" and "POST /". */
static __always_inline __u32 http1_take_start(struct http1 *h, const __u8 *p)
{
	const __u64 get = HTTP1_WORD('G', 'E', 'T', ' ', '/', 0, 0, 0);
	const __u64 post = HTTP1_WORD('P', 'O', 'S', 'T', ' ', '/', 0, 0);
	__u64 word = http1_load8(p);
	__u32 n = 5;

	if (HTTP1_LOW(word, 5) != get) {
		if (HTTP1_LOW(word, 6) != post)
			return 0;
		n = 6;
	}
	http1_begin(h);
	h->head = n;
	h->word[0] = word;
	h->len = n - 2;
	h->state = HTTP1_PATH;
	return n;
}

/*
 * A target. With " HTTP/1.1" or " HTTP/1.0" and the CRLF if they follow. Only the limit of the line
 * is checked: the limit of the head is never smaller.
 */
_Static_assert(KEDGE_HEAD_BYTES_LEAST >= KEDGE_LINE_BYTES_MAX,
	       "http1_take_path() checks the smaller one");
static __always_inline __u32 http1_take_path(struct http1 *h, const __u8 *p, const __u8 *end)
{
	const __u64 minor = 1ULL << 56;
	__u64 word;
	__u32 n;

	if (h->head > KEDGE_LINE_BYTES_MAX - HTTP1_TAKE_BYTES - 11)
		return 0;
	n = http1_account(h, http1_path_run(p, end));
	p += n;
	if (p + 11 > end || *p != ' ' || !http1_is_crlf(p + 9, end))
		return n;
	word = http1_load8(p + 1);
	if ((word | minor) != HTTP1_WORD('H', 'T', 'T', 'P', '/', '1', '.', '1'))
		return n;
	if (!(word & minor))
		h->flags |= HTTP1_F_OLD;
	h->sub = 7;
	h->head += 11;
	h->state = HTTP1_FIELD;
	return n + 11;
}

static __always_inline __u32 http1_take(struct http1 *h, const struct http1_conf *c, const __u8 *p,
					const __u8 *end)
{
	__u32 max = c->head_bytes_max;

	if (p + 8 > end)
		return 0;
	switch (h->state) {
	case HTTP1_START:
	case HTTP1_START_REQ:
		return http1_take_start(h, p);
	case HTTP1_PATH:
		return http1_take_path(h, p, end);
	case HTTP1_FIELD:
		return http1_take_line(h, max, p, end);
	case HTTP1_NAME:
		return http1_take_name(h, max, p);
	case HTTP1_VALUE:
		return http1_take_value(h, max, p, end);
	case HTTP1_HOST:
		return http1_take_host(h, max, p, end);
	}
	return 0;
}
