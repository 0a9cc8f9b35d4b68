/* SPDX-License-Identifier: BSD-2-Clause */
/* Text for people, within 80 columns. See show.h. */
#include "daemon/show.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

/* One character of a text, as it is shown. */
struct glyph {
	size_t from;      /* bytes of the text */
	const char *text; /* `bytes` of them */
	size_t bytes;
	unsigned columns;
};

static struct glyph glyph_at(const char *text, mbstate_t *state)
{
	struct glyph g = {.from = 1, .text = "?", .bytes = 1, .columns = 1};
	wchar_t wide;
	size_t n = mbrtowc(&wide, text, strlen(text), state);
	int columns = n && n <= MB_LEN_MAX ? wcwidth(wide) : -1;

	if (n > MB_LEN_MAX) {
		memset(state, 0, sizeof(*state));
		return g;
	}
	g.from = n;
	if (columns > 0 && iswprint((wint_t)wide)) {
		g.text = text;
		g.bytes = n;
		g.columns = (unsigned)columns;
	}
	return g;
}

static unsigned columns_of(const char *text)
{
	mbstate_t state = {0};
	unsigned columns = 0;

	while (*text) {
		struct glyph g = glyph_at(text, &state);

		columns += g.columns;
		text += g.from;
	}
	return columns;
}

unsigned show_name(char *out, size_t size, const char *text, unsigned columns)
{
	bool cut = columns_of(text) > columns;
	unsigned most = cut && columns ? columns - 1 : columns, used = 0;
	mbstate_t state = {0};
	size_t len = 0;

	while (*text) {
		struct glyph g = glyph_at(text, &state);

		/* Two bytes more: the mark, and the end. */
		if (used + g.columns > most || len + g.bytes + 2 > size) {
			cut = true;
			break;
		}
		memmove(out + len, g.text, g.bytes); /* `out` may be `text` */
		len += g.bytes;
		used += g.columns;
		text += g.from;
	}
	if (cut && used < columns) {
		out[len++] = '~';
		used++;
	}
	out[len] = '\0';
	return used;
}

size_t show_line(const char *text, unsigned columns)
{
	mbstate_t state = {0};
	size_t len = 0, fold = 0;
	unsigned used = 0;

	while (text[len]) {
		struct glyph g = glyph_at(text + len, &state);

		if (len && used + g.columns > columns)
			return fold && text[len] != ' ' ? fold : len;
		if (text[len] == ' ' && len && text[len - 1] != ' ')
			fold = len;
		used += g.columns;
		len += g.from;
	}
	return len;
}

void show_column(FILE *to, unsigned columns, const char *text)
{
	char name[SHOW_NAME];
	unsigned used = show_name(name, sizeof(name), text, SHOW_COLUMNS);

	fputs(name, to);
	if (used > columns) {
		fputc('\n', to);
		used = 0;
	}
	fprintf(to, "%*s", (int)(columns - used), "");
}

const char *show_duration(char buf[SHOW_DURATION], uint64_t s)
{
	if (s < 60)
		snprintf(buf, SHOW_DURATION, "%" PRIu64 " s", s);
	else if (s < 3600)
		snprintf(buf, SHOW_DURATION, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, SHOW_DURATION, "%" PRIu64 " h %" PRIu64 " min", s / 3600,
			 s / 60 % 60);
	else
		snprintf(buf, SHOW_DURATION, "%" PRIu64 " d %" PRIu64 " h", s / 86400,
			 s / 3600 % 24);
	return buf;
}

const char *show_time_us(char buf[SHOW_DURATION], uint64_t us)
{
	double n = us < 1000 ? (double)us : us < 1000000 ? (double)us / 1e3 : (double)us / 1e6;

	snprintf(buf, SHOW_DURATION, "%.*f %s", us >= 1000 && n < 10 ? 1 : 0, n,
		 us < 1000      ? "us"
		 : us < 1000000 ? "ms"
				: "s");
	return buf;
}

const char *show_count(char buf[SHOW_DURATION], double n)
{
	static const char units[] = {0, 'k', 'M', 'G', 'T', 'P', 'E'};
	size_t unit = 0;

	while (n >= 999.5 && unit + 1 < sizeof(units)) {
		n /= 1000;
		unit++;
	}
	snprintf(buf, SHOW_DURATION, "%.*f%.1s", unit && n < 9.95 ? 1 : 0, n, &units[unit]);
	return buf;
}

const char *show_plural(char *buf, size_t size, uint64_t n, const char *one, const char *many)
{
	snprintf(buf, size, "%" PRIu64 " %s", n, n == 1 ? one : many);
	return buf;
}

/* The next word, with the space before it. */
static size_t word_len(const char *text)
{
	size_t n = strspn(text, " ");

	return n + strcspn(text + n, " ");
}

void show_folded(FILE *to, unsigned at, unsigned indent, const char *text)
{
	bool first = true; /* in this line: it is never moved to the next */

	while (*text) {
		size_t n = word_len(text), spaces = strspn(text, " ");
		char word[SHOW_NAME];
		unsigned columns;

		snprintf(word, sizeof(word), "%.*s", (int)(n - spaces), text + spaces);
		columns = show_name(word, sizeof(word), word, sizeof(word));
		if (!first && at + spaces + columns > SHOW_COLUMNS) {
			fprintf(to, "\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		at += (unsigned)fprintf(to, "%*s", first ? 0 : (int)spaces, "") + columns;
		fputs(word, to);
		first = false;
		text += n;
	}
	fputc('\n', to);
}
