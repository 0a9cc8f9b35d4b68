/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run: proxy_v1 short --unwind 9
 * Instead: take_word:any_word
 *
 * decode_v1(): a line of version 1 without its end. It reads nothing outside the line; family,
 * address and port of both ends are those that were read; the family of the source is that which
 * the line names. It says what proxy_parse.c takes for granted. Complete: no loop.
 *
 * In place of take_word() comes any answer that proxy_word.c proves of it: of a word only the first
 * 7 bytes and the NUL have a value. In place of inet_pton() and decimal_parse_plain() comes any
 * answer that they may give.
 */
#include <stdlib.h>

#include "prove.h"

#include "http/proxy_proto.c"

static const char *last; /* the word that was taken last, and its length */
static size_t last_len;
static char first[8];
static unsigned words;

bool any_word(struct cursor *c, char *word, size_t size)
{
	size_t left = (size_t)(c->end - c->at), len, taken;
	bool none;

	PROVE(c->at <= c->end && size && size <= INET6_ADDRSTRLEN && __CPROVER_w_ok(word, size));
	if (none || !left)
		return false;
	ASSUME(len && len < size && taken <= left && (taken == len || taken == len + 1));
	for (size_t i = 0; i < 7; i++)
		if (i < len) {
			char any;

			ASSUME(any);
			word[i] = any;
			if (!words)
				first[i] = any;
		}
	word[len] = '\0';
	last = word;
	last_len = len;
	c->at += taken;
	words++;
	return true;
}

static bool is_word(const char *text)
{
	return text == last && text[last_len] == '\0';
}

/* The addresses and the ports that were read, in order. */
static uint32_t ip[2][4];
static uint16_t port[2];
static unsigned ips, ports;

int inet_pton(int family, const char *restrict text, void *restrict to)
{
	uint32_t any[4];
	int result;

	PROVE(is_word(text));
	PROVE(family == AF_INET || family == AF_INET6);
	((uint32_t *)to)[0] = any[0];
	if (family == AF_INET6) {
		((uint32_t *)to)[1] = any[1];
		((uint32_t *)to)[2] = any[2];
		((uint32_t *)to)[3] = any[3];
	}
	ASSUME(result >= -1 && result <= 1);
	if (result != 1)
		return result;
	PROVE(ips < 2);
	for (unsigned i = 0; i < 4; i++)
		ip[ips][i] = any[i];
	ips++;
	return 1;
}

bool decimal_parse_plain(const char *text, size_t len, uint64_t max, uint64_t *out)
{
	uint64_t value;
	bool is_number;

	PROVE(is_word(text) && len && len <= last_len && max == UINT16_MAX);
	ASSUME(value <= max);
	if (!is_number)
		return false;
	PROVE(ports < 2);
	port[ports++] = (uint16_t)value;
	*out = value;
	return true;
}

static void prove_end(const union addr *a, unsigned i)
{
	PROVE(a->family == AF_INET || a->family == AF_INET6);
	if (a->family == AF_INET) {
		PROVE(a->in.sin_port == htons(port[i]));
		PROVE(a->in.sin_addr.s_addr == ip[i][0]);
	} else {
		PROVE(a->in6.sin6_port == htons(port[i]));
		PROVE(a->in6.sin6_addr.s6_addr32[0] == ip[i][0]);
		PROVE(a->in6.sin6_addr.s6_addr32[1] == ip[i][1]);
		PROVE(a->in6.sin6_addr.s6_addr32[2] == ip[i][2]);
		PROVE(a->in6.sin6_addr.s6_addr32[3] == ip[i][3]);
	}
}

void prove_proxy_v1(void)
{
	struct proxy_prefix p = {.version = 1};
	uint8_t *line;
	size_t n;

	INPUT(n);
	ASSUME(n >= 6 && n <= PROXY_V1_BYTES_MAX - 2);
	line = malloc(n);
	ASSUME(line);
	if (!decode_v1(&p, line, n)) {
		REACH("refused");
		return;
	}
	PROVE(!p.len && p.version == 1 && !p.tlvs && !p.tlvs_len && !p.crc_present && !p.reason);
	if (p.local) {
		PROVE(!strcmp(first, "UNKNOWN"));
		PROVE(p.src.family == AF_UNSPEC && p.dst.family == AF_UNSPEC);
		REACH("UNKNOWN");
		return;
	}
	PROVE(!strcmp(first, p.src.family == AF_INET ? "TCP4" : "TCP6"));
	PROVE(words == 5 && ips == 2 && ports == 2);
	prove_end(&p.src, 0);
	prove_end(&p.dst, 1);
	if (p.src.family == AF_INET && p.dst.family == AF_INET6)
		REACH("two families");
}
