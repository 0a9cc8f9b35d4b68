/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the log. See log_line.h. */
#include "base/log_line.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char *const levels[] = {"error", "warning", "info", "debug"};

/* --- a text without surprises ----------------------------------------------------------------- */

/*
 * How many bytes the character has that begins here; 0 if it is no UTF-8, or a control character:
 * terminals obey those of U+0080 to U+009F as well.
 */
static size_t character(const unsigned char *p)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t code = n < 2 ? p[0] : p[0] & (0x7fu >> n);

	if (n < 2)
		return n && p[0] >= ' ' && p[0] != 0x7f;
	if (p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80) /* also where the text ends */
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[n] || code < 0xa0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	/* Some take these for the end of a line, or turn the rest of it round. */
	if ((code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
		return 0;
	return n;
}

void log_line_clean(char *text)
{
	unsigned char *p = (unsigned char *)text;

	while (*p) {
		size_t n = character(p);

		if (!n)
			*p = '?';
		p += n ? n : 1;
	}
}

/* --- the styles ------------------------------------------------------------------------------- */

/* What is written so far; there is always room for the end of the line. */
struct line {
	char *p;
	size_t len, room;
};

/* All of it, or nothing. */
static bool put(struct line *l, const char *p, size_t n)
{
	if (n > l->room - l->len)
		return false;
	memcpy(l->p + l->len, p, n);
	l->len += n;
	return true;
}

static void put_word(struct line *l, const char *word)
{
	put(l, word, strlen(word));
}

/* RFC 3339, in UTC. */
static void put_time(struct line *l, const struct timespec *now)
{
	char date[32], text[48];
	struct tm tm = {0};

	gmtime_r(&now->tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03uZ", date, (unsigned)(now->tv_nsec / 1000000) % 1000);
	put_word(l, text);
}

static size_t escaped(char out[8], unsigned char c, bool utf8)
{
	bool plain = c >= ' ' && (utf8 || c < 0x7f);

	if (c == '"' || c == '\\')
		return (size_t)snprintf(out, 8, "\\%c", c);
	return (size_t)snprintf(out, 8, plain ? "%c" : "\\u%04x", c);
}

/* Cut where there is no room, but never without its quotes. */
static void put_string(struct line *l, const char *text, bool utf8)
{
	char c[8];

	put_word(l, "\"");
	l->room--;
	for (; *text; text++)
		if (!put(l, c, escaped(c, (unsigned char)*text, utf8)))
			break;
	/* Half a character is not UTF-8. */
	while (utf8 && *text && ((unsigned char)*text & 0xc0) == 0x80) {
		text--;
		l->len--;
	}
	l->room++;
	put_word(l, "\"");
}

static bool put_name(struct line *l, const char *name)
{
	/* Its quotes, the colon, the comma, and a number, or some of the text. */
	if (strlen(name) + 16 > l->room - l->len)
		return false;
	put_word(l, l->len > 1 ? ",\"" : "\"");
	put_word(l, name);
	put_word(l, "\":");
	return true;
}

/* One of our own. */
static void put_member(struct line *l, const char *name, const char *text)
{
	if (put_name(l, name))
		put_string(l, text, true);
}

static void put_field(struct line *l, const struct log_field *f)
{
	if (!f->text || !put_name(l, f->name))
		return;
	if (f->number)
		put_word(l, f->text);
	else
		put_string(l, f->text, false);
}

static void put_json(struct line *l, const struct log_message *m, const struct timespec *now)
{
	char time[48] = "";
	struct line t = {time, 0, sizeof(time) - 1};

	put_time(&t, now);
	put_word(l, "{");
	put_member(l, "time", time);
	put_member(l, "level", levels[m->level]);
	put_member(l, "message", m->text);
	for (size_t i = 0; i < m->fields_count; i++)
		put_field(l, &m->fields[i]);
	l->room++;
	put_word(l, "}");
}

/* The numbers of syslog(3), which journald takes off again: sd-daemon(3). */
static const char *priority(enum log_level level)
{
	static const char *const numbers[] = {"<3>", "<4>", "<6>", "<7>"};

	return numbers[level];
}

size_t log_line_format(char out[LOG_LINE_MAX], enum log_style style, const struct log_message *m,
		       const struct timespec *now)
{
	struct line l = {out, 0, LOG_LINE_MAX - 2}; /* "}\n" */

	if (style == LOG_STYLE_JSON) {
		put_json(&l, m, now);
	} else {
		if (style == LOG_STYLE_TIME) {
			put_time(&l, now);
			put_word(&l, " ");
		}
		put_word(&l, style == LOG_STYLE_JOURNAL ? priority(m->level) : "kedge: ");
		put_word(&l, levels[m->level]);
		put_word(&l, ": ");
		put_word(&l, m->text);
	}
	assert(l.len < LOG_LINE_MAX);
	out[l.len++] = '\n';
	return l.len;
}
