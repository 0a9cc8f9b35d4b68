/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: eight bytes at a time. Part of http1.h; do not include it alone. A word is eight
 * bytes of input as a little-endian load gives them. A mask has 0x80 in each byte that is marked.
 */
#pragma once

/* Bytes before the first marked one. */
static __always_inline __u32 http1_before(__u64 mask)
{
	if (!mask)
		return 8;
	mask = (mask & -mask) >> 7;
	return (((mask - 1) & HTTP1_ONES) * HTTP1_ONES) >> 56;
}

/* Marks bytes below n (n <= 0x80). A borrow only affects bytes after the first marked one. */
static __always_inline __u64 http1_below(__u64 word, __u8 n)
{
	return (word - HTTP1_ONES * n) & ~word & HTTP1_HIGHS;
}

/* Marks bytes equal to b. The same is true of a borrow. */
static __always_inline __u64 http1_equal(__u64 word, __u8 b)
{
	return http1_below(word ^ HTTP1_ONES * b, 1);
}

/*
 * Marks letters and dashes, exactly. Callers look for the first byte that is not marked, so a wrong
 * mark would hide one.
 */
static __always_inline __u64 http1_name_bytes(__u64 word)
{
	__u64 dash = word ^ HTTP1_ONES * '-';

	dash = ~(((dash & ~HTTP1_HIGHS) + ~HTTP1_HIGHS) | dash);
	return http1_letters(word) | (dash & HTTP1_HIGHS);
}

/*
 * Marks letters, digits, dashes and dots, exactly, as above. Most hosts consist of these. The bytes
 * from '-' to '9' are a range with one exception, '/'.
 */
static __always_inline __u64 http1_host_bytes(__u64 word)
{
	__u64 low = word & ~HTTP1_HIGHS, slash = low ^ HTTP1_ONES * '/';
	__u64 from_dash = low + HTTP1_ONES * (0x80 - '-'),
	      after_9 = low + HTTP1_ONES * (0x7f - '9');

	slash = slash + ~HTTP1_HIGHS; /* unmarked where it is one */
	return http1_name_bytes(word) | (from_dash & ~after_9 & slash & ~word & HTTP1_HIGHS);
}

/* Marks bytes that end a run of a value. HT is marked, too, although it does not end the value. */
static __always_inline __u64 http1_value_ends(__u64 word)
{
	return http1_below(word, 0x20) | http1_equal(word, 0x7f);
}

/* Marks bytes that end a target. */
static __always_inline __u64 http1_path_ends(__u64 word)
{
	return http1_below(word, 0x21) | http1_equal(word, 0x7f) | http1_equal(word, '#') |
	       (word & HTTP1_HIGHS);
}
