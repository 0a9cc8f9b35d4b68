/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: sets of bytes and field names for http1.h. Sets are 64-bit immediates: no table in
 * .rodata, no load, one shift. Names are compared as little-endian words.
 */
#pragma once

#include <stdbool.h>

#include "http1_state.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words of names are little-endian");

/* Up to eight characters as the word that a little-endian load gives, filled up with 0. */
#define HTTP1_WORD(a, b, c, d, e, f, g, h)                                                       \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | \
	 (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

/* The low n bytes of a word, n < 8. */
#define HTTP1_LOW(word, n) ((word) & ((1ULL << 8 * (n)) - 1))

/* RFC 9110, 5.6.2: letters, digits and !#$%&'*+-.^_`|~ */
#define HTTP1_TCHAR_LO   0x03ff6cfa00000000ULL
#define HTTP1_TCHAR_HI   0x57ffffffc7fffffeULL
/* RFC 3986, 3.2.2 reg-name: letters, digits and -._~%!$&'()*+;= but no comma, which joins lists. */
#define HTTP1_REGNAME_LO 0x2bff6ff200000000ULL
#define HTTP1_REGNAME_HI 0x47fffffe87fffffeULL

static __always_inline bool http1_in_set(__u8 b, __u64 lo, __u64 hi)
{
	if (b & 0x80)
		return false;
	return ((b & 0x40 ? hi : lo) >> (b & 0x3f)) & 1;
}

static __always_inline bool http1_is_tchar(__u8 b)
{
	return http1_in_set(b, HTTP1_TCHAR_LO, HTTP1_TCHAR_HI);
}

static __always_inline bool http1_is_regname(__u8 b)
{
	return http1_in_set(b, HTTP1_REGNAME_LO, HTTP1_REGNAME_HI);
}

static __always_inline bool http1_is_digit(__u8 b)
{
	return (__u8)(b - '0') < 10;
}

/* Value of a hexadecimal digit, 16 when it is none. */
static __always_inline __u8 http1_hex(__u8 b)
{
	__u8 letter = (b | 0x20) - 'a';

	if (http1_is_digit(b))
		return b - '0';
	return letter < 6 ? letter + 10 : 16;
}

static __always_inline __u8 http1_lower(__u8 b)
{
	return (__u8)(b - 'A') < 26 ? b | 0x20 : b;
}

/* RFC 9112, 5: a field value may hold HT, SP, visible ASCII and obs-text. */
static __always_inline bool http1_is_value(__u8 b)
{
	return (b >= 0x20 && b != 0x7f) || b == '\t';
}

/*
 * Names that mean something here. Those from LENGTH on may have a dash. Those from FORWARDED on are
 * forwarding fields.
 */
enum http1_name {
	HTTP1_NAME_OTHER,
	HTTP1_NAME_HOST,
	HTTP1_NAME_CONNECTION,
	HTTP1_NAME_UPGRADE,
	HTTP1_NAME_LENGTH,
	HTTP1_NAME_CODING,
	HTTP1_NAME_SETTINGS,
	HTTP1_NAME_FORWARDED,
	HTTP1_NAME_FOR,
	HTTP1_NAME_PROTO,
	HTTP1_NAME_PORT,
	HTTP1_NAME_REAL,
	HTTP1_NAME_STRIPPED, /* kedge never sets it */
};

/*
 * Added to a name that has another character in the place of a dash. CGI names have only letters,
 * digits and '_', so that a CGI server takes X.Forwarded-For for X-Forwarded-For.
 */
#define HTTP1_NAME_ALIAS 0x80

#define HTTP1_ONES  0x0101010101010101ULL
#define HTTP1_HIGHS 0x8080808080808080ULL

/* Loads and stores of any alignment. x86 and arm64 have them in BPF, too; C has none. */
static __always_inline __u64 http1_load8(const __u8 *p)
{
#ifdef __bpf__
	return *(const __u64 *)p;
#else
	__u64 word;

	__builtin_memcpy(&word, p, 8);
	return word;
#endif
}

static __always_inline void http1_store8(__u8 *to, __u64 word)
{
#ifdef __bpf__
	*(__u64 *)to = word;
#else
	__builtin_memcpy(to, &word, 8);
#endif
}

/* Marks letters (0x80 in their bytes), exactly. */
static __always_inline __u64 http1_letters(__u64 word)
{
	__u64 low = (word | HTTP1_ONES * 0x20) & ~HTTP1_HIGHS;
	__u64 from_a = low + HTTP1_ONES * (0x80 - 'a'), after_z = low + HTTP1_ONES * (0x7f - 'z');

	return from_a & ~after_z & ~word & HTTP1_HIGHS;
}

/* Marks digits, exactly. */
static __always_inline __u64 http1_digits(__u64 word)
{
	__u64 low = word & ~HTTP1_HIGHS;
	__u64 from_0 = low + HTTP1_ONES * (0x80 - '0'), after_9 = low + HTTP1_ONES * (0x7f - '9');

	return from_0 & ~after_9 & ~word & HTTP1_HIGHS;
}

/* Letters in lower case, digits as they are, a dash for anything else. */
static __always_inline __u64 http1_fold(__u64 word)
{
	__u64 kept = ((http1_letters(word) | http1_digits(word)) >> 7) * 0xff;

	return ((word | HTTP1_ONES * 0x20) & kept) | (HTTP1_ONES * '-' & ~kept);
}

/* The bytes of word number i that belong to a name of len bytes. */
static __always_inline __u64 http1_name_mask(__u32 len, __u32 i)
{
	if (len >= 8 * i + 8)
		return ~0ULL;
	return len > 8 * i ? (1ULL << 8 * (len - 8 * i)) - 1 : 0;
}

/* "x-forwarded-" and its length. */
#define HTTP1_FAMILY_0   HTTP1_WORD('x', '-', 'f', 'o', 'r', 'w', 'a', 'r')
#define HTTP1_FAMILY_1   HTTP1_WORD('d', 'e', 'd', '-', 0, 0, 0, 0)
#define HTTP1_FAMILY_LEN 12

static __always_inline bool http1_in_family(__u32 len, __u64 w0, __u64 w1)
{
	return len >= HTTP1_FAMILY_LEN && w0 == HTTP1_FAMILY_0 &&
	       (w1 & 0xffffffff) == HTTP1_FAMILY_1;
}

/* For a name that begins with "x-forwarded-". All of these are forwarding fields. */
static __always_inline __u8 http1_family_name(__u32 len, __u64 w1, __u64 w2)
{
	w1 >>= 32;
	if (len == 15 && (w1 & 0xffffff) == HTTP1_WORD('f', 'o', 'r', 0, 0, 0, 0, 0))
		return HTTP1_NAME_FOR;
	if (len == 16 && w1 == HTTP1_WORD('p', 'o', 'r', 't', 0, 0, 0, 0))
		return HTTP1_NAME_PORT;
	if (len == 17 && w1 == HTTP1_WORD('p', 'r', 'o', 't', 0, 0, 0, 0) && (w2 & 0xff) == 'o')
		return HTTP1_NAME_PROTO;
	return HTTP1_NAME_STRIPPED;
}

/* Three words of a name, masked behind its end, against three of another. */
static __always_inline bool http1_spells(__u64 w0, __u64 w1, __u64 w2, __u64 a0, __u64 a1, __u64 a2)
{
	return !((w0 ^ a0) | (w1 ^ a1) | (w2 ^ a2));
}

#define HTTP1_SPELLS(a0, a1, a2) http1_spells(w0, w1, w2, a0, a1, a2)

/* Names of other proxies for the client's address and scheme, which kedge never sets. */
static __always_inline bool http1_is_foreign(__u32 len, __u64 w0, __u64 w1, __u64 w2)
{
	switch (len) {
	case 9:
		return HTTP1_SPELLS(HTTP1_WORD('c', 'l', 'i', 'e', 'n', 't', '-', 'i'), 'p', 0);
	case 11:
		return HTTP1_SPELLS(HTTP1_FAMILY_0, HTTP1_WORD('d', 'e', 'd', 0, 0, 0, 0, 0), 0) ||
		       HTTP1_SPELLS(HTTP1_WORD('x', '-', 'c', 'l', 'i', 'e', 'n', 't'),
				    HTTP1_WORD('-', 'i', 'p', 0, 0, 0, 0, 0), 0);
	case 13:
		return HTTP1_SPELLS(HTTP1_WORD('f', 'o', 'r', 'w', 'a', 'r', 'd', 'e'),
				    HTTP1_WORD('d', '-', 'f', 'o', 'r', 0, 0, 0), 0);
	case 14:
		return HTTP1_SPELLS(HTTP1_WORD('t', 'r', 'u', 'e', '-', 'c', 'l', 'i'),
				    HTTP1_WORD('e', 'n', 't', '-', 'i', 'p', 0, 0), 0);
	case 15:
		return HTTP1_SPELLS(HTTP1_WORD('f', 'r', 'o', 'n', 't', '-', 'e', 'n'),
				    HTTP1_WORD('d', '-', 'h', 't', 't', 'p', 's', 0), 0);
	case 16:
		return HTTP1_SPELLS(HTTP1_WORD('c', 'f', '-', 'c', 'o', 'n', 'n', 'e'),
				    HTTP1_WORD('c', 't', 'i', 'n', 'g', '-', 'i', 'p'), 0) ||
		       HTTP1_SPELLS(HTTP1_WORD('f', 'a', 's', 't', 'l', 'y', '-', 'c'),
				    HTTP1_WORD('l', 'i', 'e', 'n', 't', '-', 'i', 'p'), 0);
	case 19:
		return HTTP1_SPELLS(HTTP1_WORD('x', '-', 'c', 'l', 'u', 's', 't', 'e'),
				    HTTP1_WORD('r', '-', 'c', 'l', 'i', 'e', 'n', 't'),
				    HTTP1_WORD('-', 'i', 'p', 0, 0, 0, 0, 0));
	}
	return false;
}

/* The name in len bytes, folded by http1_fold(). */
static __always_inline __u8 http1_name_of(__u32 len, __u64 w0, __u64 w1, __u64 w2)
{
	if (http1_in_family(len, w0, w1))
		return http1_family_name(len, w1, w2);
	w0 &= http1_name_mask(len, 0);
	w1 &= http1_name_mask(len, 1);
	w2 &= http1_name_mask(len, 2);
	switch (len) {
	case 4:
		return w0 == HTTP1_WORD('h', 'o', 's', 't', 0, 0, 0, 0) ? HTTP1_NAME_HOST
									: HTTP1_NAME_OTHER;
	case 7:
		return w0 == HTTP1_WORD('u', 'p', 'g', 'r', 'a', 'd', 'e', 0) ? HTTP1_NAME_UPGRADE
									      : HTTP1_NAME_OTHER;
	case 9:
		if (HTTP1_SPELLS(HTTP1_WORD('f', 'o', 'r', 'w', 'a', 'r', 'd', 'e'), 'd', 0))
			return HTTP1_NAME_FORWARDED;
		if (HTTP1_SPELLS(HTTP1_WORD('x', '-', 'r', 'e', 'a', 'l', '-', 'i'), 'p', 0))
			return HTTP1_NAME_REAL;
		break;
	case 10:
		if (HTTP1_SPELLS(HTTP1_WORD('c', 'o', 'n', 'n', 'e', 'c', 't', 'i'),
				 HTTP1_WORD('o', 'n', 0, 0, 0, 0, 0, 0), 0))
			return HTTP1_NAME_CONNECTION;
		break;
	case 14:
		if (HTTP1_SPELLS(HTTP1_WORD('c', 'o', 'n', 't', 'e', 'n', 't', '-'),
				 HTTP1_WORD('l', 'e', 'n', 'g', 't', 'h', 0, 0), 0))
			return HTTP1_NAME_LENGTH;
		if (HTTP1_SPELLS(HTTP1_WORD('h', 't', 't', 'p', '2', '-', 's', 'e'),
				 HTTP1_WORD('t', 't', 'i', 'n', 'g', 's', 0, 0), 0))
			return HTTP1_NAME_SETTINGS;
		break;
	case 17:
		if (HTTP1_SPELLS(HTTP1_WORD('t', 'r', 'a', 'n', 's', 'f', 'e', 'r'),
				 HTTP1_WORD('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n'), 'g'))
			return HTTP1_NAME_CODING;
		break;
	}
	return http1_is_foreign(len, w0, w1, w2) ? HTTP1_NAME_STRIPPED : HTTP1_NAME_OTHER;
}

/* The name in len bytes as they came: enum http1_name, perhaps with HTTP1_NAME_ALIAS. */
static __always_inline __u8 http1_name_read(__u32 len, __u64 w0, __u64 w1, __u64 w2)
{
	const __u64 lower = HTTP1_ONES * 0x20;
	__u64 f0 = http1_fold(w0), f1 = http1_fold(w1), f2 = http1_fold(w2);
	__u8 name = http1_name_of(len, f0, f1, f2);

	if (name < HTTP1_NAME_LENGTH)
		return name;
	if (http1_in_family(len, f0, f1))
		len = HTTP1_FAMILY_LEN; /* what follows may have any character */
	w0 = (f0 ^ (w0 | lower)) & http1_name_mask(len, 0);
	w1 = (f1 ^ (w1 | lower)) & http1_name_mask(len, 1);
	w2 = (f2 ^ (w2 | lower)) & http1_name_mask(len, 2);
	return w0 | w1 | w2 ? name | HTTP1_NAME_ALIAS : name;
}

/* The name in h->token. */
static __always_inline __u8 http1_name(const struct http1 *h)
{
	return http1_name_read(h->len, h->word[0], h->word[1], h->word[2]);
}
