/* SPDX-License-Identifier: BSD-2-Clause */
/* The nearest name by its edit distance. See config_suggest.h. */
#include "config/config_suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Longer than any name. */
#define LEN_MAX   48
/* Up to this length one edit is near, above it two are. */
#define SHORT_MAX 4

static int plain(char c)
{
	return c == '_' ? '-' : tolower((unsigned char)c);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: rows[i][k] is the edits from the first i of a to the first k of b. */
static unsigned edits_between(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[LEN_MAX + 1][LEN_MAX + 1];

	for (size_t i = 0; i <= a_len; i++) {
		for (size_t k = 0; k <= b_len; k++) {
			bool differs, swapped;

			if (!i || !k) {
				rows[i][k] = (unsigned)(i + k);
				continue;
			}
			differs = plain(a[i - 1]) != plain(b[k - 1]);
			swapped = i > 1 && k > 1 && plain(a[i - 1]) == plain(b[k - 2]) &&
				  plain(a[i - 2]) == plain(b[k - 1]);
			rows[i][k] = least(rows[i - 1][k], rows[i][k - 1]) + 1;
			rows[i][k] = least(rows[i][k], rows[i - 1][k - 1] + differs);
			if (swapped)
				rows[i][k] = least(rows[i][k], rows[i - 2][k - 2] + 1);
		}
	}
	return rows[a_len][b_len];
}

void suggest(struct suggestion *s, const char *written, size_t len, const char *name)
{
	unsigned edits, near = len > SHORT_MAX ? 2 : 1;

	if (len > LEN_MAX || strlen(name) > LEN_MAX)
		return;
	edits = edits_between(written, len, name, strlen(name));
	if (edits > near || (s->name && edits >= s->edits))
		return;
	*s = (struct suggestion){.name = name, .edits = edits};
}
