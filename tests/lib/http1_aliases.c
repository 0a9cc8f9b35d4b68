/* SPDX-License-Identifier: BSD-2-Clause */
#include "http1_aliases.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct http1_dashed dashed[] = {
	{.name = "X-Forwarded-For"},
	{.name = "X-Forwarded-Proto"},
	{.name = "X-Forwarded-Port"},
	{.name = "X-Forwarded-Host"},
	{.name = "X-Forwarded-Prefix"},
	{.name = "X-Forwarded-Server"},
	{.name = "X-Forwarded-Ssl"},
	{.name = "X-Forwarded-Scheme"},
	{.name = "X-Forwarded-Protocol"},
	{.name = "X-Forwarded"},
	{.name = "Forwarded-For"},
	{.name = "X-Real-IP"},
	{.name = "X-Client-IP"},
	{.name = "X-Cluster-Client-IP"},
	{.name = "True-Client-IP"},
	{.name = "CF-Connecting-IP"},
	{.name = "Fastly-Client-IP"},
	{.name = "Client-IP"},
	{.name = "Front-End-Https"},
	{.name = "Content-Length", .framing = true},
	{.name = "Transfer-Encoding", .framing = true},
	{.name = "HTTP2-Settings", .framing = true},
};
#define DASHED (sizeof(dashed) / sizeof(dashed[0]))

static const char separators[] = "!#$%&'*+.^_`|~";
#define SEPARATORS (sizeof(separators) - 1)

/*
 * Bit k of `places`: dash number k is replaced. The first replacement is `first`, then the
 * characters that follow it in the list.
 */
static void make(struct http1_alias *a, const struct http1_dashed *d, unsigned places, size_t first,
		 size_t step)
{
	unsigned k = 0;

	*a = (struct http1_alias){.of = d};
	for (size_t i = 0; d->name[i]; i++) {
		char c = d->name[i];

		if (c == '-' && places & 1U << k++) {
			c = separators[first % SEPARATORS];
			first += step;
		}
		a->name[i] = first % 3 ? (char)tolower(c) : c;
	}
}

static unsigned dashes(const char *name)
{
	unsigned n = 0;

	for (; *name; name++)
		n += *name == '-';
	return n;
}

struct http1_alias *http1_aliases(size_t *count)
{
	struct http1_alias *all = calloc(DASHED * SEPARATORS * 16, sizeof(*all));
	size_t n = 0;

	for (size_t i = 0; all && i < DASHED; i++) {
		unsigned places = 1U << dashes(dashed[i].name);

		for (size_t s = 0; s < SEPARATORS; s++) {
			for (unsigned at = 1; at < places; at++)
				make(&all[n++], &dashed[i], at, s, 0);
			if (places > 2) /* mixed */
				make(&all[n++], &dashed[i], places - 1, s, 1);
		}
	}
	*count = n;
	return all;
}
