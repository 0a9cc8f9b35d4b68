/* SPDX-License-Identifier: BSD-2-Clause */
/* Follows responses. See response.h. */
#include "http/response.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/decimal.h"

bool response_to_head(const struct response *r, const struct kedge_note *note)
{
	uint32_t bit = r->done % KEDGE_NOTE_RING;

	return note->head_bits[bit / 64] >> (bit % 64) & 1;
}

static void line_begin(struct response *r, enum response_state state)
{
	r->state = (uint8_t)state;
	r->line_len = 0;
	r->line_long = false;
}

/*
 * One that answers no request counts for none, and is the last: what the client sends next may have
 * its answer behind it already.
 */
static void response_end(struct response *r, const struct response_counts *counts)
{
	if (r->early) {
		r->over = r->said_close = true;
		r->begun = r->interim = false;
		line_begin(r, RESPONSE_LINE);
		return;
	}
	if (counts->ended)
		counts->ended(counts->arg, r);
	r->said_close |= r->close || (r->old && !r->keep);
	r->done++;
	r->begun = r->interim = false;
	line_begin(r, RESPONSE_LINE);
}

/* The status of "HTTP/1.1 200", 0 where line[0..len) is no beginning of such a line. */
static unsigned parse_status(const char *line, size_t len)
{
	static const char like[RESPONSE_HELD_MAX + 1] = "HTTP/1.0 100";
	unsigned status = 0;

	for (size_t i = 0; i < len; i++) {
		bool digit = line[i] >= '0' && line[i] <= '9' && (i != 9 || line[i] > '0');

		if (i < 7 || i == 8 ? line[i] != like[i] : !digit)
			return 0;
		if (i > 8)
			status = status * 10 + (unsigned)(line[i] - '0');
	}
	return len < RESPONSE_HELD_MAX ? 1 : status;
}

/* `is_cut`: the line went on beyond its end. */
static bool parse_hex(const char *p, const char *end, bool is_cut, uint64_t *out)
{
	uint64_t value = 0;
	const char *begin = p;

	for (; p < end; p++) {
		unsigned digit;

		if (*p >= '0' && *p <= '9')
			digit = (unsigned)(*p - '0');
		else if ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f')
			digit = (unsigned)((*p | 0x20) - 'a' + 10);
		else
			break;
		if (value >> 58)
			return false;
		value = value << 4 | digit;
	}
	*out = value;
	return p > begin && (p == end ? !is_cut : *p == ';' || *p == ' ' || *p == '\t');
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

/* What is not kept of a line may say close: taken for said. */
static void connection_line(struct response *r, const char *line, size_t len)
{
	r->close |= r->line_long || lists(line, line + len, "close");
	r->keep |= lists(line, line + len, "keep-alive");
}

/* Does the line begin with this name? Where its value begins, else 0. */
static size_t named(const char *line, size_t len, const char *name)
{
	size_t at = strlen(name);

	if (len < at || strncasecmp(line, name, at) != 0)
		return 0;
	while (at < len && is_blank(line[at]))
		at++;
	return at < len && line[at] == ':' ? at + 1 : 0;
}

/* "gzip, chunked": chunked as the last coding is what frames. */
static bool ends_chunked(const char *p, const char *end)
{
	while (end > p && is_blank(end[-1]))
		end--;
	if (end - p < 7 || strncasecmp(end - 7, "chunked", 7) != 0)
		return false;
	end -= 7;
	return end == p || is_blank(end[-1]) || end[-1] == ',';
}

/* A second length must be the same. */
static bool length_line(struct response *r, const char *value, const char *end)
{
	uint64_t before = r->left;
	bool again = r->has_length;

	r->has_length = true;
	trim(&value, &end);
	return !r->line_long && decimal_parse(value, (size_t)(end - value), INT64_MAX, &r->left) &&
	       (!again || r->left == before);
}

/* False when what it says about the body cannot be known. */
static bool framing_line(struct response *r, const char *line, size_t len)
{
	size_t at = named(line, len, "content-length");

	if (at) {
		r->folds_badly = true;
		return !is_blank(line[at - 2]) && length_line(r, line + at, line + len);
	}
	at = named(line, len, "transfer-encoding");
	r->folds_badly = at;
	if (!at)
		return true;
	r->coded = true;
	r->chunked = ends_chunked(line + at, line + len);
	return !r->line_long && !is_blank(line[at - 2]);
}

/* A line that begins with white space goes on with the one before it. */
static bool field_line(struct response *r, const char *line, size_t len)
{
	size_t at;

	if (len && is_blank(line[0])) {
		if (r->of_connection)
			connection_line(r, line, len);
		return !r->folds_badly;
	}
	at = named(line, len, "connection");
	r->of_connection = at;
	if (at)
		connection_line(r, line + at, len - at);
	return framing_line(r, line, len);
}

/* With a coding that does not frame, a length counts for some clients, and not for others. */
static void body_begin(struct response *r)
{
	r->state = !r->has_length ? RESPONSE_TO_END : r->coded ? RESPONSE_LOST : RESPONSE_BODY;
	r->body = r->left;
}

/* The blank line has passed: what comes next? RFC 9112, section 6.3. */
static enum response_event head_end(struct response *r, const struct kedge_note *note,
				    struct response_counts *counts)
{
	bool waiting = note->standing == KEDGE_WAITING;
	bool last = response_outstanding(r, note) == 1;

	if (r->status == 101) { /* judge() has let it pass */
		r->state = RESPONSE_TUNNEL;
		counts->finals++;
		return RESPONSE_SWITCHED;
	}
	if (r->status < 200) { /* the final one is still to come */
		r->begun = false;
		r->interim = true;
		line_begin(r, RESPONSE_LINE);
		return RESPONSE_QUIET;
	}
	counts->finals++;
	r->early = !response_outstanding(r, note); /* to half a head, or to nothing at all */
	if (response_to_head(r, note) || r->status == 204 || r->status == 304 ||
	    (r->has_length && !r->left && !r->coded))
		response_end(r, counts);
	else if (r->chunked)
		line_begin(r, RESPONSE_CHUNK);
	else
		body_begin(r);
	return waiting && last ? RESPONSE_DECLINED : RESPONSE_QUIET;
}

static void head_begin(struct response *r)
{
	r->chunked = r->has_length = r->coded = false;
	r->close = r->keep = r->early = false;
	r->folds_badly = r->of_connection = false;
	r->left = 0;
	r->body = 0;
}

static void chunk_begin(struct response *r)
{
	r->body += r->left;
	if (r->left)
		r->state = RESPONSE_BODY;
	else
		line_begin(r, RESPONSE_TRAILER);
}

/* One whole line without its CRLF, or its beginning if it was longer than is kept. */
static enum response_event line_end(struct response *r, const struct kedge_note *note,
				    const char *line, size_t len, struct response_counts *counts)
{
	switch (r->state) {
	case RESPONSE_LINE: /* judge() has seen its beginning */
		head_begin(r);
		line_begin(r, len == RESPONSE_HELD_MAX || line[RESPONSE_HELD_MAX] == ' '
				      ? RESPONSE_FIELDS
				      : RESPONSE_LOST);
		break;
	case RESPONSE_FIELDS:
		if (!len && !r->line_long)
			return head_end(r, note, counts);
		if (field_line(r, line, len))
			line_begin(r, RESPONSE_FIELDS);
		else
			r->state = RESPONSE_LOST;
		break;
	case RESPONSE_CHUNK:
		if (!parse_hex(line, line + len, r->line_long, &r->left))
			r->state = RESPONSE_LOST;
		else
			chunk_begin(r);
		break;
	case RESPONSE_CHUNK_END:
		line_begin(r, len ? RESPONSE_LOST : RESPONSE_CHUNK);
		break;
	case RESPONSE_TRAILER:
		if (!len && !r->line_long)
			response_end(r, counts);
		else
			line_begin(r, RESPONSE_TRAILER);
		break;
	}
	return RESPONSE_QUIET;
}

/* Keeps the beginning of a line that this input does not end. */
static void line_keep(struct response *r, const char *p, size_t n)
{
	size_t room = sizeof(r->line) - r->line_len;

	if (n > room) {
		n = room;
		r->line_long = true;
	}
	assert(r->line_len + n <= sizeof(r->line));
	memcpy(r->line + r->line_len, p, n);
	r->line_len = (uint8_t)(r->line_len + n);
}

/* Nobody waits for a response: not even a client with half a head. */
static bool nobody_waits(const struct response *r, const struct kedge_note *note)
{
	return note->requests && !response_outstanding(r, note) && note->standing != KEDGE_HEAD;
}

/* May the response go on whose first RESPONSE_HELD_MAX bytes are known? */
static enum response_event judge(struct response *r, const struct kedge_note *note)
{
	bool wanted = note->standing == KEDGE_WAITING && response_outstanding(r, note) == 1;

	if (r->unasked)
		return RESPONSE_UNASKED;
	if (r->status == 101 && !wanted)
		return RESPONSE_REFUSED;
	r->old = r->line[7] == '0';
	r->held = 0;
	return RESPONSE_QUIET;
}

/* The first bytes of a status line, or what is there instead of one. */
static const char *feed_status(struct response *r, const struct kedge_note *note, const char *p,
			       const char *end, enum response_event *event)
{
	size_t n = RESPONSE_HELD_MAX - r->line_len;

	if (!r->begun)
		r->unasked = r->over || nobody_waits(r, note);
	r->begun = true;
	if ((size_t)(end - p) < n)
		n = (size_t)(end - p);
	memcpy(r->line + r->line_len, p, n);
	r->line_len = (uint8_t)(r->line_len + n);
	r->held = r->line_len;
	r->status = (uint16_t)parse_status(r->line, r->line_len);
	if (!r->status && r->unasked) {
		*event = RESPONSE_STRAY;
	} else if (!r->status) {
		r->state = RESPONSE_LOST;
		r->held = 0;
	} else if (r->held == RESPONSE_HELD_MAX) {
		*event = judge(r, note);
	}
	return p + n;
}

static const char *feed_line(struct response *r, const struct kedge_note *note, const char *p,
			     const char *end, enum response_event *event,
			     struct response_counts *counts)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));
	const char *line = p;
	size_t len;

	if (!lf) {
		line_keep(r, p, (size_t)(end - p));
		return end;
	}
	len = (size_t)(lf - p);
	/* A line too long to be kept is cut in every case: how it came must not matter. */
	if (r->line_len || len > sizeof(r->line)) {
		line_keep(r, p, len);
		line = r->line;
		len = r->line_len;
	}
	if (!r->line_long && len && line[len - 1] == '\r')
		len--;
	*event = line_end(r, note, line, len, counts);
	return lf + 1;
}

/* Is the beginning of a status line still to be read? */
static bool at_status(const struct response *r)
{
	return r->state == RESPONSE_LINE && r->line_len < RESPONSE_HELD_MAX;
}

static const char *feed_body(struct response *r, const char *p, const char *end,
			     struct response_counts *counts)
{
	uint64_t take = (uint64_t)(end - p) < r->left ? (uint64_t)(end - p) : r->left;

	r->left -= take;
	if (!r->left && r->chunked)
		line_begin(r, RESPONSE_CHUNK_END);
	else if (!r->left)
		response_end(r, counts);
	return p + take;
}

enum response_event response_feed(struct response *r, const struct kedge_note *note,
				  const char *bytes, size_t n, struct response_counts *counts)
{
	enum response_event result = RESPONSE_QUIET;
	const char *p = bytes, *end = bytes + n;
	const size_t held = r->held;
	size_t head = 0; /* where the present response begins, where that matters */

	while (p < end) {
		enum response_event event = RESPONSE_QUIET;

		if (r->state >= RESPONSE_TO_END) {
			r->body += (uint64_t)(end - p);
			break;
		}
		if (r->state == RESPONSE_BODY) {
			p = feed_body(r, p, end, counts);
		} else if (at_status(r)) {
			if (!r->begun)
				head = held + (size_t)(p - bytes);
			p = feed_status(r, note, p, end, &event);
		} else {
			p = feed_line(r, note, p, end, &event, counts);
		}
		if (event >= RESPONSE_REFUSED) {
			counts->good = head;
			return event;
		}
		if (event != RESPONSE_QUIET)
			result = event;
	}
	counts->good = held + n - r->held;
	return result;
}
