/*
 * both sides: eight bytes at a time, where http1.h reads most of its bytes: targets, names, values.
 * Part of http1.h, which see; not included by itself. A word is eight bytes of input as a
 * little-endian load gives them. Masks have 0x80 in a byte for yes.
 */
#pragma once

#define HTTP1_ONES  0x0101010101010101ULL
#define HTTP1_HIGHS 0x8080808080808080ULL

/* Bytes before the first marked one. */
static __always_inline __u32 http1_before(__u64 mask)
{
	if (!mask)
		return 8;
	mask = (mask & -mask) >> 7;
	return (((mask - 1) & HTTP1_ONES) * HTTP1_ONES) >> 56;
}

/* Marks bytes below n (n <= 0x80). A borrow disturbs only bytes after the first marked one. */
static __always_inline __u64 http1_below(__u64 word, __u8 n)
{
	return (word - HTTP1_ONES * n) & ~word & HTTP1_HIGHS;
}

/* Marks bytes equal to b; the same holds for a borrow. */
static __always_inline __u64 http1_equal(__u64 word, __u8 b)
{
	return http1_below(word ^ HTTP1_ONES * b, 1);
}

/*
 * Marks letters and dashes, exactly: the first byte that is none is searched for, so that a false
 * mark would hide one.
 */
static __always_inline __u64 http1_name_bytes(__u64 word)
{
	__u64 low = (word | HTTP1_ONES * 0x20) & ~HTTP1_HIGHS;
	__u64 dash = word ^ HTTP1_ONES * '-';
	__u64 from_a = low + HTTP1_ONES * (0x80 - 'a'), after_z = low + HTTP1_ONES * (0x7f - 'z');

	dash = ~(((dash & ~HTTP1_HIGHS) + ~HTTP1_HIGHS) | dash);
	return ((from_a & ~after_z & ~word) | dash) & HTTP1_HIGHS;
}

/*
 * How many of the first bytes of a word (0 to 8) are certain to be HTTP1_PASS without a change of
 * state: account for those that are used with http1_skipped(). Never a byte that http1_byte() would
 * treat otherwise, limits included; 0 in most states.
 */
static __always_inline __u32 http1_skip8(const struct http1 *h, __u64 word)
{
	if (h->state == HTTP1_VALUE) {
		if (h->head > KEDGE_HEAD_BYTES_MAX - 8)
			return 0;
		return http1_before(http1_below(word, 0x20) | http1_equal(word, 0x7f));
	}
	if (h->state != HTTP1_PATH || h->head > KEDGE_LINE_BYTES_MAX - 8)
		return 0;
	return http1_before(http1_below(word, 0x21) | http1_equal(word, 0x7f) |
			    http1_equal(word, '#') | (word & HTTP1_HIGHS));
}

/* n bytes, n at most what http1_skip8() gave for them, have gone on without http1_byte(). */
static __always_inline void http1_skipped(struct http1 *h, __u32 n)
{
	h->head += n;
}

/* BPF has no unaligned store in C, but x86 and arm64 have it in BPF. */
static __always_inline void http1_store8(__u8 *to, __u64 word)
{
#ifdef __bpf__
	*(__u64 *)to = word;
#else
	__builtin_memcpy(to, &word, 8);
#endif
}

/* Letters and dashes of a name; a few more bytes of h->token than those are written. */
static __always_inline __u32 http1_take_name(struct http1 *h, __u64 word)
{
	__u32 len = h->len, n;

	if (len > HTTP1_TOKEN_MAX - 8 || h->head > KEDGE_HEAD_BYTES_MAX - 8)
		return 0;
	if (h->hold != HTTP1_LOOSE && len > HTTP1_CUT_NAME_MAX - 8)
		return 0;
	n = http1_before(~http1_name_bytes(word) & HTTP1_HIGHS);
	http1_store8(h->token + len, word);
	h->len = len + n;
	h->head += n;
	return n;
}

/* The whole of "HTTP/1.1" or "HTTP/1.0". */
static __always_inline __u32 http1_take_version(struct http1 *h, __u64 word)
{
	const __u64 minor = 1ULL << 56;

	if (h->sub || h->head > KEDGE_LINE_BYTES_MAX - 8 ||
	    (word | minor) != HTTP1_WORD('H', 'T', 'T', 'P', '/', '1', '.', '1'))
		return 0;
	if (!(word & minor))
		h->flags |= HTTP1_F_OLD;
	h->sub = 7;
	h->head += 8;
	h->state = HTTP1_LINE_CR;
	return 8;
}

/*
 * Reads as many of the first bytes of a word as it can (0 to 8) and accounts for them; all are
 * HTTP1_PASS, and no request ends with them. What is left of the word is for http1_byte(). The
 * state is as http1_byte() would have left it, but for bytes of h->token beyond h->len.
 */
static __always_inline __u32 http1_take8(struct http1 *h, __u64 word)
{
	__u32 n;

	if (h->state == HTTP1_NAME)
		return http1_take_name(h, word);
	if (h->state == HTTP1_VERSION)
		return http1_take_version(h, word);
	n = http1_skip8(h, word);
	h->head += n;
	if (n > 6 || h->state != HTTP1_VALUE || h->hold != HTTP1_LOOSE ||
	    h->head > KEDGE_HEAD_BYTES_MAX - 2)
		return n;
	if (((word >> 8 * n) & 0xffff) != HTTP1_WORD('\r', '\n', 0, 0, 0, 0, 0, 0))
		return n;
	h->head += 2;
	h->state = HTTP1_FIELD;
	return n + 2;
}
