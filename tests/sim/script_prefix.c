/* SPDX-License-Identifier: BSD-2-Clause */
/* PROXY prefixes: of both versions, without an address, and wrong ones. */
#include "script.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

static void add(struct script *s, const void *p, size_t n)
{
	http1_bytes_add(&s->prefix, p, n);
}

static void add_v1(struct script *s)
{
	char text[108], ip[INET6_ADDRSTRLEN];

	addr_format_ip(ip, &s->named);
	snprintf(text, sizeof(text), "PROXY %s %s %s 4321 %u\r\n",
		 s->named.family == AF_INET ? "TCP4" : "TCP6", ip,
		 s->named.family == AF_INET ? "192.0.2.80" : "2001:db8::80", s->named_port);
	add(s, text, strlen(text));
}

static void add_v2(struct script *s, bool local)
{
	static const uint8_t magic[] = "\r\n\r\n\0\r\nQUIT\n";
	bool v4 = s->named.family == AF_INET;
	uint16_t ports[2] = {htons(4321), htons(s->named_port)};
	uint8_t there[16] = {0x20, 1, 0xd, 0xb8};
	uint16_t extra = dice_rare(2) ? (uint16_t)(3 + dice(40)) : 0;
	uint16_t len = htons((uint16_t)((v4 ? 12 : 36) + extra));
	uint8_t tlv[64] = {4}; /* NOOP */

	add(s, magic, 12);
	add(s, local ? "\x20" : "\x21", 1);
	add(s, v4 ? "\x11" : "\x21", 1);
	add(s, &len, 2);
	add(s, v4 ? (void *)&s->named.in.sin_addr : &s->named.in6.sin6_addr, v4 ? 4 : 16);
	add(s, there, v4 ? 4 : 16);
	add(s, ports, 4);
	if (!extra)
		return;
	tlv[2] = (uint8_t)(extra - 3);
	add(s, tlv, extra);
}

static void add_wrong(struct script *s)
{
	static const char *const texts[] = {
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 01 2 3\r\n",
		"PROXY TCP4 ::1 1.2.3.4 1 2\r\n",
		"PROXY NOTHING\n\r\n",
	};
	static const uint8_t big[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff";
	static const uint8_t crc[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13"
				     "\1\2\3\4\5\6\7\x8\0\1\0\2\3\0\4wrng";

	if (dice(2)) {
		const char *text = texts[dice(sizeof(texts) / sizeof(texts[0]))];

		add(s, text, strlen(text));
	} else if (dice(2)) {
		add(s, big, sizeof(big) - 1);
	} else {
		add(s, crc, sizeof(crc) - 1);
	}
}

static void choose_named(struct script *s)
{
	uint32_t n = dice(250) + 1;

	s->named = (union addr){.in = {.sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(0xcb007100 + n),
				       .sin_port = htons(4321)}};
	s->named_port = (uint16_t)(400 + dice(100));
	if (!dice_rare(4))
		return;
	s->named = (union addr){.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(4321)}};
	s->named.in6.sin6_addr.s6_addr[0] = 0x20;
	s->named.in6.sin6_addr.s6_addr[1] = 1;
	s->named.in6.sin6_addr.s6_addr[15] = (uint8_t)n;
}

void script_prefix(struct script *s, bool plain)
{
	unsigned sort = plain ? dice(4) : dice(8);

	choose_named(s);
	s->prefix_good = sort < 6;
	s->prefix_names = sort < 4;
	if (sort < 2) {
		add_v1(s);
	} else if (sort < 4) {
		add_v2(s, false);
	} else if (sort == 4) {
		add_v2(s, true);
	} else if (sort == 5) {
		add(s, "PROXY UNKNOWN\r\n", 15);
	} else if (sort == 6) {
		add_wrong(s);
	} else {
		add_v1(s);
		s->prefix.len -= 1 + dice((uint32_t)s->prefix.len - 1);
		s->prefix_cut = true;
	}
}

/*
 * A listener takes what looks like a prefix for one, also from a client that meant it as a request:
 * a line of version 1 (the only sort that scripts say) at the very beginning.
 */
void script_find_prefix(struct script *s)
{
	uint8_t *end = s->say.len ? memchr(s->say.data, '\n', s->say.len) : NULL;
	size_t n = end ? (size_t)(end - s->say.data) + 1 : 0;
	char line[108] = "", ip[INET_ADDRSTRLEN], crlf[3] = "";

	if (!n || n >= sizeof(line))
		return;
	memcpy(line, s->say.data, n);
	if (sscanf(line, "PROXY TCP4 %15s %*15s %*u %hu%2[\r\n]", ip, &s->named_port, crlf) != 3 ||
	    strcmp(crlf, "\r\n") != 0)
		return;
	s->named.in = (struct sockaddr_in){.sin_family = AF_INET};
	inet_pton(AF_INET, ip, &s->named.in.sin_addr);
	s->prefix_good = s->prefix_names = true;
	add(s, line, n);
	memmove(s->say.data, s->say.data + n, s->say.len - n);
	s->say.len -= n;
	for (unsigned i = 0; i < s->pauses_count; i++)
		s->pauses[i].at -= s->pauses[i].at < n ? s->pauses[i].at : n;
}
