/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/response_head.h"

#include <string.h>
#include <strings.h>

#include "base/decimal.h"

unsigned response_head_status(const char *line, size_t len)
{
	static const char like[RESPONSE_STATUS_LEN + 1] = "HTTP/1.0 100";
	unsigned status = 0;

	for (size_t i = 0; i < len; i++) {
		bool digit = line[i] >= '0' && line[i] <= '9' && (i != 9 || line[i] > '0');

		if (i < 7 || i == 8 ? line[i] != like[i] : !digit)
			return 0;
		if (i > 8)
			status = status * 10 + (unsigned)(line[i] - '0');
	}
	return len < RESPONSE_STATUS_LEN ? 1 : status;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Leaves out white space at both ends. */
static void trim(const char **p, const char **end)
{
	while (*p < *end && is_blank(**p))
		++*p;
	while (*end > *p && is_blank((*end)[-1]))
		--*end;
}

/* Is this word in a list like "keep-alive, Upgrade"? */
static bool lists(const char *p, const char *end, const char *word)
{
	size_t len = strlen(word);

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop = comma ? comma : end, *last = stop;

		trim(&p, &last);
		if ((size_t)(last - p) == len && !strncasecmp(p, word, len))
			return true;
		p = stop + 1;
	}
	return false;
}

/* The part of a line that was not kept may say close: then close is assumed. */
static void connection_line(struct response_head *h, const char *p, const char *end, bool is_cut)
{
	h->close |= is_cut || lists(p, end, "close");
	h->keep |= lists(p, end, "keep-alive");
}

/*
 * Where the value begins if the line has this name, in lower case; else 0. The first letter rules
 * out most lines. Of a cut line that has blanks behind the name up to where it is cut, the colon is
 * beyond: the value begins there.
 */
static inline size_t named(const char *line, size_t len, bool is_cut, const char *name)
{
	size_t at = strlen(name);

	if (len < at || (line[0] | 0x20) != name[0] || strncasecmp(line, name, at) != 0)
		return 0;
	while (at < len && is_blank(line[at]))
		at++;
	if (at == len)
		return is_cut ? len : 0;
	return line[at] == ':' ? at + 1 : 0;
}

/* "gzip, chunked": the body is framed by chunks if chunked is the last coding. */
static bool ends_chunked(const char *p, const char *end)
{
	while (end > p && is_blank(end[-1]))
		end--;
	if (end - p < 7 || strncasecmp(end - 7, "chunked", 7) != 0)
		return false;
	end -= 7;
	while (end > p && is_blank(end[-1]))
		end--;
	return end == p || end[-1] == ',';
}

/* A second length must be the same. */
static bool length_line(struct response_head *h, const char *p, const char *end)
{
	uint64_t before = h->length;
	bool again = h->has_length;

	h->has_length = true;
	trim(&p, &end);
	return decimal_parse(p, (size_t)(end - p), INT64_MAX, &h->length) &&
	       (!again || h->length == before);
}

/* False when what it says about the body cannot be known. */
static bool framing_line(struct response_head *h, const char *line, size_t len, bool is_cut)
{
	size_t at = named(line, len, is_cut, "content-length");

	if (at) {
		h->folds_badly = true;
		return !is_cut && !is_blank(line[at - 2]) && length_line(h, line + at, line + len);
	}
	at = named(line, len, is_cut, "transfer-encoding");
	h->folds_badly = at;
	if (!at)
		return true;
	h->coded = true;
	h->chunked = ends_chunked(line + at, line + len);
	return !is_cut && !is_blank(line[at - 2]);
}

bool response_head_field(struct response_head *h, const char *line, size_t len, bool is_cut)
{
	size_t at;

	/* A line that begins with white space continues the one before it. */
	if (len && is_blank(line[0])) {
		if (h->of_connection)
			connection_line(h, line, line + len, is_cut);
		return !h->folds_badly;
	}
	at = named(line, len, is_cut, "connection");
	h->of_connection = at;
	if (at)
		connection_line(h, line + at, line + len, is_cut);
	return framing_line(h, line, len, is_cut);
}
