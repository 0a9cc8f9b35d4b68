/* SPDX-License-Identifier: BSD-2-Clause */
#include "http1_heads.h"

#include <string.h>

const char *const http1_sorts[] = {
	/* nobody's concern */
	"a:\r\n",
	"Accept: */*\r\n",
	"a-name-of-thirty-two-bytes-and-more: 1\r\n",
	/* held as far as they look like ours, and kept */
	"x:\r\n",
	"X:1\r\n",
	"X-F:\r\n",
	"x-forwarded-fo:\r\n",
	"X-Forwarded-Fox: x\r\n",
	"x-forwarded-proto-and-more: x\r\n",
	"X-Real-Name: x\r\n",
	"u:\r\n",
	"Upgrade: x\r\n",
	"upgrade: h2\r\n",
	"h:\r\n",
	"http2-setting: x\r\n",
	"f:\r\n",
	"Forward: x\r\n",
	"forwarded-to: x\r\n",
	/* cut, or refused */
	"x-forwarded-for:\r\n",
	"X-Forwarded-For: 192.0.2.1\r\n",
	"X-Forwarded-Proto: http\r\n",
	"X-Forwarded-Port: 1\r\n",
	"X-Forwarded-Host: h\r\n",
	"X-Real-IP: 192.0.2.1\r\n",
	"Forwarded: for=192.0.2.1\r\n",
	"x_forwarded_for: 192.0.2.1\r\n",
	"Upgrade: h2c\r\n",
	"HTTP2-Settings: AA\r\n",
	"Connection: x\r\n",
	"Connection:\r\n",
	/* by turns: each line is a gap, a held run or a piece of its own */
	"x-forwarded-for:\r\na:\r\n",
	"x-forwarded-for:\r\nx:\r\n",
	"x:\r\nx-forwarded-for:\r\n",
	"X-Forwarded-Proto: http\r\nx:\r\na:\r\n",
	"Upgrade: h2c\r\nu:\r\n",
	"Upgrade: h2c\r\nUpgrade: x\r\n",
	"HTTP2-Settings: AA\r\nh:\r\n",
	"Forwarded: for=a\r\nf:\r\n",
	NULL,
};

void http1_heads_add(struct http1_bytes *b, const char *line, unsigned lines, unsigned heads)
{
	static const char begin[] = "GET / HTTP/1.1\r\nHost: a\r\n";
	unsigned each = http1_sort_lines(line);

	while (heads--) {
		http1_bytes_add(b, begin, strlen(begin));
		for (unsigned i = each; i <= lines; i += each)
			http1_bytes_add(b, line, strlen(line));
		http1_bytes_add(b, "\r\n", 2);
	}
}

unsigned http1_sort_lines(const char *line)
{
	unsigned n = 0;

	while ((line = strchr(line, '\n'))) {
		line++;
		n++;
	}
	return n;
}
