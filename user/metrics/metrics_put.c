/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of Prometheus text. See metrics_put.h. */
#include "metrics/metrics_put.h"

#include <stdbool.h>
#include <stdint.h>

void put_family(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Bytes that follow the first one of a character; -1: it cannot be the first one. */
static int followers(uint8_t first)
{
	if (first < 0x80)
		return 0;
	return first >= 0xc2 && first < 0xe0   ? 1
	       : first >= 0xe0 && first < 0xf0 ? 2
	       : first >= 0xf0 && first < 0xf5 ? 3
					       : -1;
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool second_fits(uint8_t first, uint8_t second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second < 0xa0;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second < 0x90;
	}
	return true;
}

static bool is_utf8(const char *text)
{
	for (const uint8_t *p = (const uint8_t *)text; *p; p++) {
		const uint8_t first = *p;
		int n = followers(first);

		if (n < 0 || (n && !second_fits(first, p[1])))
			return false;
		for (; n; n--)
			if ((*++p & 0xc0) != 0x80)
				return false;
	}
	return true;
}

void put_label(FILE *to, const char *value)
{
	bool ascii_only = !is_utf8(value);

	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\')
			fputc('\\', to);
		fputc(c < ' ' || c == 0x7f || (ascii_only && c > 0x7f) ? '?' : c, to);
	}
}
