/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/response_head.h"

#include <string.h>
#include <strings.h>

#include "base/decimal.h"

unsigned response_head_status(const char *line, size_t len)
{
	static const char like[] = "HTTP/1.";
	const size_t digits = sizeof(like) - 1;
	unsigned status = 0;

	if (memcmp(line, like, len < digits ? len : digits) != 0)
		return 0;
	for (size_t i = digits; i < len; i++) {
		bool digit = line[i] >= '0' && line[i] <= '9' && (i != 9 || line[i] > '0');

		if (i == 8 ? line[i] != ' ' : !digit)
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

static bool is_word(const char *p, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp(p, word, len);
}

/* Cuts the first element off the list p[0..end), and returns its length without white space. */
static size_t element(const char **p, const char *end, const char **first)
{
	const char *comma = memchr(*p, ',', (size_t)(end - *p));
	const char *last = comma ? comma : end;

	*first = *p;
	*p = comma ? comma + 1 : end;
	trim(first, &last);
	return (size_t)(last - *first);
}

/* Is this word in a list like "keep-alive, Upgrade"? */
static bool lists(const char *p, const char *end, const char *word)
{
	while (p < end) {
		const char *first;
		size_t len = element(&p, end, &first);

		if (is_word(first, len, word))
			return true;
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
 * "timeout=5, max=100". Several timeouts: the shortest counts. What is no number of seconds says
 * nothing, nor does a line that was cut. With 0, the application ends at once.
 */
static void keep_alive_line(struct response_head *h, const char *p, const char *end, bool is_cut)
{
	static const char name[] = "timeout=";
	const size_t at = sizeof(name) - 1;

	while (p < end && !is_cut) {
		const char *first;
		size_t len = element(&p, end, &first);
		uint64_t s;

		if (len <= at || strncasecmp(first, name, at) != 0 ||
		    !decimal_parse(first + at, len - at, UINT16_MAX, &s))
			continue;
		if (!s)
			h->doubtful = true;
		else if (!h->keep_alive_s || s < h->keep_alive_s)
			h->keep_alive_s = (uint16_t)s;
	}
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

/* RFC 9110, 5.6.2, as http1_is_tchar() has it; a byte a byte, because each field is looked at. */
#define DIGITS  ['0' ... '9'] = true
#define LETTERS ['A' ... 'Z'] = true, ['a' ... 'z'] = true
static const bool in_token[256] = {
	DIGITS,       LETTERS,       ['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true,
	['&'] = true, ['\''] = true, ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true,
	['^'] = true, ['_'] = true,  ['`'] = true, ['|'] = true, ['~'] = true,
};

static inline size_t name_length(const char *line, size_t len)
{
	size_t n = 0;

	while (n < len && in_token[(unsigned char)line[n]])
		n++;
	return n;
}

enum field { FIELD_OTHER, FIELD_CONNECTION, FIELD_KEEP_ALIVE, FIELD_LENGTH, FIELD_CODING };

/* The first letter rules out most. */
static inline bool is_name(const char *line, size_t len, const char *name)
{
	return (line[0] | 0x20) == name[0] && !strncasecmp(line, name, len);
}

static inline enum field field_named(const char *line, size_t len)
{
	switch (len) {
	case 10:
		return is_name(line, len, "connection")   ? FIELD_CONNECTION
		       : is_name(line, len, "keep-alive") ? FIELD_KEEP_ALIVE
							  : FIELD_OTHER;
	case 14:
		return is_name(line, len, "content-length") ? FIELD_LENGTH : FIELD_OTHER;
	case 17:
		return is_name(line, len, "transfer-encoding") ? FIELD_CODING : FIELD_OTHER;
	default:
		return FIELD_OTHER;
	}
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

/* `odd`: there may be more of the line, or it has white space before the colon. */
static bool length_field(struct response_head *h, const char *p, const char *end, bool odd)
{
	/* Beside another one, or beside a coding: some readers take this one, others that. */
	h->doubtful |= h->has_length || h->coded;
	h->folds_badly = true;
	return !odd && length_line(h, p, end);
}

static bool coding_field(struct response_head *h, const char *p, const char *end, bool odd)
{
	h->chunked = ends_chunked(p, end);
	trim(&p, &end);
	h->doubtful |= h->has_length || h->coded || !is_word(p, (size_t)(end - p), "chunked");
	h->folds_badly = true;
	h->coded = true;
	return !odd;
}

static bool field_value(struct response_head *h, enum field field, const char *p, const char *end,
			bool is_cut, bool is_spaced)
{
	switch (field) {
	case FIELD_LENGTH:
		return length_field(h, p, end, is_cut || is_spaced);
	case FIELD_CODING:
		return coding_field(h, p, end, is_cut || is_spaced);
	case FIELD_CONNECTION:
		h->of_connection = true;
		connection_line(h, p, end, is_cut);
		return true;
	case FIELD_KEEP_ALIVE:
		keep_alive_line(h, p, end, is_cut);
		return true;
	case FIELD_OTHER:
		break;
	}
	return true;
}

/*
 * No name and a colon behind it. A line that begins with white space continues the one before it.
 * Of a cut line that has blanks behind the name up to where it is cut, the colon is beyond.
 */
static bool odd_line(struct response_head *h, const char *line, size_t len, size_t name,
		     bool is_cut)
{
	const char *end = line + len, *colon = line + name;

	h->doubtful = true;
	if (len && is_blank(line[0])) {
		if (h->of_connection)
			connection_line(h, line, end, is_cut);
		return !h->folds_badly;
	}
	h->of_connection = h->folds_badly = false;
	while (colon < end && is_blank(*colon))
		colon++;
	if (colon == end ? !is_cut : *colon != ':')
		return true;
	return field_value(h, field_named(line, name), colon + (colon < end), end, is_cut,
			   colon > line + name);
}

bool response_head_field(struct response_head *h, const char *line, size_t len, bool is_cut)
{
	size_t name = name_length(line, len);
	enum field field;

	if (!name || name == len || line[name] != ':')
		return odd_line(h, line, len, name, is_cut);
	h->of_connection = h->folds_badly = false;
	field = field_named(line, name);
	return field == FIELD_OTHER ||
	       field_value(h, field, line + name + 1, line + len, is_cut, false);
}

bool response_head_in_doubt(const struct response_head *h, unsigned status)
{
	if (h->doubtful || h->close)
		return true;
	/* RFC 9112, 6.1, and RFC 9110, 8.6. With a 304, only the coding is a sign of a body. */
	if (status < 200)
		return h->has_length || h->coded;
	switch (status) {
	case 204:
		return h->coded || h->length;
	case 304:
		return h->coded;
	/* The head was not understood, or its body was not read. */
	case 400:
	case 408:
	case 411:
	case 413:
	case 414:
	case 431:
	case 501:
	case 505:
		return true;
	default:
		return false;
	}
}
