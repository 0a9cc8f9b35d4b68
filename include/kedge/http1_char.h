/*
 * both sides: classes of bytes and field names for http1.h. Sets are 64-bit immediates: no table in
 * .rodata, no load, one shift. Names are compared as little-endian words.
 */
#pragma once

#include <stdbool.h>

#include "http1_state.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words of names are little-endian");

/* Up to eight characters as the word that a little-endian load of them gives; 0 fills up. */
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

/* RFC 9112, 5: what a field value may hold: HT, SP, visible ASCII and obs-text. */
static __always_inline bool http1_is_value(__u8 b)
{
	return (b >= 0x20 && b != 0x7f) || b == '\t';
}

/* Names that mean something here. */
enum http1_name {
	HTTP1_NAME_OTHER,
	HTTP1_NAME_HOST,
	HTTP1_NAME_LENGTH,
	HTTP1_NAME_CODING,
	HTTP1_NAME_CONNECTION,
	HTTP1_NAME_UPGRADE,
	HTTP1_NAME_SETTINGS,
	HTTP1_NAME_FOR,
	HTTP1_NAME_PROTO,
	HTTP1_NAME_PORT,
};

/* Added to a name that has '_' where the true one has '-': some servers take one for the other. */
#define HTTP1_NAME_ALIAS 0x80

/*
 * "x-forwarded-" with either separator; `w0` and `w1` in lower case. Among token characters only
 * '_' becomes 0x7f when bit 0x20 is set, and only letters lose their case by it.
 */
static __always_inline __u8 http1_forwarded(__u64 w0, __u64 w1, __u64 rest, __u8 name)
{
	const __u64 sep0 = HTTP1_WORD(0, '-', 0, 0, 0, 0, 0, 0);
	const __u64 any0 = HTTP1_WORD(0, 0x7f, 0, 0, 0, 0, 0, 0);
	const __u64 sep1 = HTTP1_WORD(0, 0, 0, '-', 0, 0, 0, 0);
	const __u64 any1 = HTTP1_WORD(0, 0, 0, 0x7f, 0, 0, 0, 0);
	__u64 y0 = w0 ^ HTTP1_WORD('x', '-', 'f', 'o', 'r', 'w', 'a', 'r');
	__u64 y1 = w1 ^ (HTTP1_WORD('d', 'e', 'd', '-', 0, 0, 0, 0) | rest);

	if (!(y0 | y1))
		return name;
	if ((y0 == 0 || y0 == (sep0 ^ any0)) && (y1 == 0 || y1 == (sep1 ^ any1)))
		return name | HTTP1_NAME_ALIAS;
	return HTTP1_NAME_OTHER;
}

/*
 * Which name the first len bytes of three words are; enum http1_name, HTTP1_NAME_ALIAS added.
 */
static __always_inline __u8 http1_name_of(__u32 len, __u64 w0, __u64 w1, __u64 w2)
{
	const __u64 lower = 0x2020202020202020ULL;

	w0 |= lower;
	w1 |= lower;
	w2 |= lower;
	switch (len) {
	case 4:
		return HTTP1_LOW(w0, 4) == HTTP1_WORD('h', 'o', 's', 't', 0, 0, 0, 0)
			       ? HTTP1_NAME_HOST
			       : HTTP1_NAME_OTHER;
	case 7:
		return HTTP1_LOW(w0, 7) == HTTP1_WORD('u', 'p', 'g', 'r', 'a', 'd', 'e', 0)
			       ? HTTP1_NAME_UPGRADE
			       : HTTP1_NAME_OTHER;
	case 10:
		w0 ^= HTTP1_WORD('c', 'o', 'n', 'n', 'e', 'c', 't', 'i');
		w1 = HTTP1_LOW(w1, 2) ^ HTTP1_WORD('o', 'n', 0, 0, 0, 0, 0, 0);
		return w0 | w1 ? HTTP1_NAME_OTHER : HTTP1_NAME_CONNECTION;
	case 14:
		w1 = HTTP1_LOW(w1, 6);
		if (w0 == HTTP1_WORD('c', 'o', 'n', 't', 'e', 'n', 't', '-'))
			return w1 == HTTP1_WORD('l', 'e', 'n', 'g', 't', 'h', 0, 0)
				       ? HTTP1_NAME_LENGTH
				       : HTTP1_NAME_OTHER;
		w0 ^= HTTP1_WORD('h', 't', 't', 'p', '2', '-', 's', 'e');
		w1 ^= HTTP1_WORD('t', 't', 'i', 'n', 'g', 's', 0, 0);
		return w0 | w1 ? HTTP1_NAME_OTHER : HTTP1_NAME_SETTINGS;
	case 15:
		return http1_forwarded(w0, HTTP1_LOW(w1, 7),
				       HTTP1_WORD(0, 0, 0, 0, 'f', 'o', 'r', 0), HTTP1_NAME_FOR);
	case 16:
		return http1_forwarded(w0, w1, HTTP1_WORD(0, 0, 0, 0, 'p', 'o', 'r', 't'),
				       HTTP1_NAME_PORT);
	case 17:
		w2 = HTTP1_LOW(w2, 1);
		if (w2 == 'o')
			return http1_forwarded(w0, w1, HTTP1_WORD(0, 0, 0, 0, 'p', 'r', 'o', 't'),
					       HTTP1_NAME_PROTO);
		w0 ^= HTTP1_WORD('t', 'r', 'a', 'n', 's', 'f', 'e', 'r');
		w1 ^= HTTP1_WORD('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n');
		return w0 | w1 | (w2 ^ 'g') ? HTTP1_NAME_OTHER : HTTP1_NAME_CODING;
	}
	return HTTP1_NAME_OTHER;
}

/* Which name is in h->token. */
static __always_inline __u8 http1_name(const struct http1 *h)
{
	return http1_name_of(h->len, h->word[0], h->word[1], h->word[2]);
}
