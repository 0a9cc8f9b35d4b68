/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run: proxy_word short
 *
 * take_word() of version 1, at any place of any line: it reads nothing outside the line; the word
 * fits its array, is as in the line up to the first space, and ends with its only NUL; it goes on
 * by at least one byte. Complete: no loop. What is proved of one byte of the word is proved of any.
 *
 * In place of memchr() comes what its manual says, and in place of memcpy() a copy of that byte.
 */
#include <stdint.h>
#include <stdlib.h>

#include "prove.h"

static size_t looked_at; /* of the word */
static size_t copied;

static void copy_one(char *to, const uint8_t *from, size_t n)
{
	PROVE(__CPROVER_r_ok(from, n));
	PROVE(__CPROVER_w_ok(to, n));
	if (looked_at < n)
		to[looked_at] = (char)from[looked_at];
	copied = n;
}

static void *find_byte(const void *where, int wanted, size_t n)
{
	const unsigned char *bytes = where;
	size_t i;
	bool none;

	PROVE(n && __CPROVER_r_ok(where, n));
	ASSUME(none || (i < n && bytes[i] == (unsigned char)wanted));
	/* Not before the first one. */
	ASSUME(looked_at >= (none ? n : i) || bytes[looked_at] != (unsigned char)wanted);
	return none ? NULL : (void *)(bytes + i);
}

#undef memcpy
#define memcpy    copy_one
#define memchr    find_byte
#define set_inet  unused_inet
#define set_inet6 unused_inet6
#include "http/proxy_proto.c"

void prove_proxy_word(void)
{
	uint8_t line[PROXY_V1_BYTES_MAX];
	char word[INET6_ADDRSTRLEN];
	size_t at, end, size, len, taken;
	struct cursor c;

	INPUT(at);
	INPUT(end);
	INPUT(size);
	INPUT(looked_at);
	ASSUME(at <= end && end <= sizeof(line));
	ASSUME(size && size <= sizeof(word) && looked_at < sizeof(word));
	c = (struct cursor){line + at, line + end};
	if (!take_word(&c, word, size)) {
		PROVE(c.at == line + at);
		REACH("no word");
		return;
	}
	PROVE(c.end == line + end && c.at > line + at && c.at <= c.end);
	len = copied;
	taken = (size_t)(c.at - line) - at;
	PROVE(taken == len || (taken == len + 1 && c.at[-1] == ' '));
	PROVE(taken == len + 1 || c.at == c.end);
	PROVE(len && len < size && word[len] == '\0');
	if (looked_at < len)
		PROVE(word[looked_at] && word[looked_at] != ' ' &&
		      word[looked_at] == (char)line[at + looked_at]);
	if (len == sizeof(word) - 1)
		REACH("the longest word");
	if (c.at == c.end)
		REACH("the last word");
}
