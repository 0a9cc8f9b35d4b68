/* Follows responses. See response.h. */
#include "response.h"

#include <string.h>
#include <strings.h>

static bool is_head_request(const struct kedge_note *note, uint32_t index)
{
	uint32_t bit = index % KEDGE_NOTE_RING;

	return note->head_bits[bit / 64] >> (bit % 64) & 1;
}

static void line_begin(struct response *r, enum response_state state)
{
	r->state = (uint8_t)state;
	r->line_len = 0;
	r->line_long = false;
}

static void response_end(struct response *r, const struct response_counts *counts)
{
	if (counts->ended)
		counts->ended(counts->arg, r);
	r->said_close |= r->close || (r->old && !r->keep);
	r->done++;
	r->begun = false;
	line_begin(r, RESPONSE_LINE);
}

/* "HTTP/1.1 200 OK" -> 200, 0 where it is no status line. */
static unsigned parse_status(const char *line, size_t len)
{
	unsigned status = 0;

	if (len < 12 || memcmp(line, "HTTP/1.", 7) || line[8] != ' ')
		return 0;
	for (int i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		status = status * 10 + (unsigned)(line[i] - '0');
	}
	return status >= 100 ? status : 0;
}

static bool parse_decimal(const char *p, const char *end, uint64_t *out)
{
	uint64_t value = 0;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == end || *p < '0' || *p > '9')
		return false;
	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		if (value > (UINT64_MAX >> 1) / 10)
			return false;
		value = value * 10 + (uint64_t)(*p - '0');
	}
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	*out = value;
	return p == end;
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

static bool starts_with(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	return len >= n && !strncasecmp(line, name, n);
}

/* "gzip, chunked": chunked as the last coding is what frames. */
static bool ends_chunked(const char *line, size_t len)
{
	while (len && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	return len >= 7 && !strncasecmp(line + len - 7, "chunked", 7);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Is this word in a list like "keep-alive, Upgrade"? */
static bool lists(const char *p, const char *end, const char *word)
{
	size_t len = strlen(word);

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop = comma ? comma : end, *last = stop;

		while (p < stop && is_blank(*p))
			p++;
		while (last > p && is_blank(last[-1]))
			last--;
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

/* Does the end of the connection come with this response? A line that goes on (a fold) counts as well. */
static void note_connection(struct response *r, const char *line, size_t len)
{
	bool fold = len && is_blank(line[0]) && r->of_connection;
	size_t at = named(line, len, "connection");

	if (at || fold)
		connection_line(r, line + at, len - at);
	r->of_connection = at || fold;
}

static bool field_line(struct response *r, const char *line, size_t len)
{
	note_connection(r, line, len);
	if (starts_with(line, len, "content-length:")) {
		r->has_length = true;
		return !r->line_long && parse_decimal(line + 15, line + len, &r->left);
	}
	if (starts_with(line, len, "transfer-encoding:")) {
		if (r->line_long)
			return false;
		r->chunked = ends_chunked(line, len);
	}
	return true;
}

static void body_begin(struct response *r)
{
	r->state = r->has_length ? RESPONSE_BODY : RESPONSE_TO_END;
	r->body = r->left;
}

/* The blank line has passed: what comes next? RFC 9112, section 6.3. */
static enum response_event head_end(struct response *r, const struct kedge_note *note,
				    struct response_counts *counts)
{
	bool waiting = note->standing == KEDGE_WAITING;
	bool last = response_outstanding(r, note) == 1;

	if (r->status == 101) {
		if (!waiting || !last)
			return RESPONSE_REFUSED;
		r->state = RESPONSE_TUNNEL;
		counts->finals++;
		return RESPONSE_SWITCHED;
	}
	if (r->status < 200) { /* interim: the final one is still to come */
		r->begun = false;
		line_begin(r, RESPONSE_LINE);
		return RESPONSE_QUIET;
	}
	counts->finals++;
	if (!response_outstanding(r, note)) /* nobody asked (408 of an idle server) */
		r->state = RESPONSE_TO_END;
	else if (is_head_request(note, r->done) || r->status == 204 || r->status == 304 ||
		 (r->has_length && !r->left && !r->chunked))
		response_end(r, counts);
	else if (r->chunked)
		line_begin(r, RESPONSE_CHUNK);
	else
		body_begin(r);
	return waiting && last ? RESPONSE_DECLINED : RESPONSE_QUIET;
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
	case RESPONSE_LINE:
		r->status = (uint16_t)parse_status(line, len);
		r->old = r->status && line[7] == '0';
		r->chunked = r->has_length = r->close = r->keep = r->of_connection = false;
		r->left = 0;
		r->body = 0;
		line_begin(r, r->status ? RESPONSE_FIELDS : RESPONSE_LOST);
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
	memcpy(r->line + r->line_len, p, n);
	r->line_len = (uint8_t)(r->line_len + n);
}

static const char *feed_line(struct response *r, const struct kedge_note *note, const char *p,
			     const char *end, enum response_event *event,
			     struct response_counts *counts)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));
	const char *line = p;
	size_t len;

	r->begun = true;
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

enum response_event response_feed(struct response *r, const struct kedge_note *note,
				  const char *bytes, size_t n, struct response_counts *counts)
{
	enum response_event result = RESPONSE_QUIET;
	const char *p = bytes, *end = bytes + n;

	while (p < end) {
		enum response_event event = RESPONSE_QUIET;

		switch (r->state) {
		case RESPONSE_BODY: {
			uint64_t take =
				(uint64_t)(end - p) < r->left ? (uint64_t)(end - p) : r->left;

			p += take;
			r->left -= take;
			if (!r->left && r->chunked)
				line_begin(r, RESPONSE_CHUNK_END);
			else if (!r->left)
				response_end(r, counts);
			break;
		}
		case RESPONSE_TO_END:
		case RESPONSE_TUNNEL:
		case RESPONSE_LOST:
			r->body += (uint64_t)(end - p);
			return result;
		default:
			p = feed_line(r, note, p, end, &event, counts);
		}
		if (event == RESPONSE_REFUSED)
			return event;
		if (event != RESPONSE_QUIET)
			result = event;
	}
	return result;
}
