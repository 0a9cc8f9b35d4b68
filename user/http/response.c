/* SPDX-License-Identifier: BSD-2-Clause */
/* Follows responses. See response.h. */
#include "http/response.h"

#include <assert.h>
#include <string.h>

#include "base/check.h"

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
	r->cr = false;
}

/*
 * An early response answers no request, so it is not counted. It is the last one: the client could
 * take it for the answer to its next request.
 */
static void response_end(struct response *r, const struct response_counts *counts)
{
	if (r->early) {
		r->over = r->said_close = true;
		r->interim = 0;
		r->begun = false;
		line_begin(r, RESPONSE_LINE);
		return;
	}
	if (counts->ended)
		counts->ended(counts->arg, r);
	/* HTTP/1.0 has no codings: some clients leave them unread (RFC 9112, section 6.1). */
	r->said_close |= r->head.close || (r->old && (!r->head.keep || r->head.coded));
	if (r->head.keep_alive_s)
		r->keep_alive_s = r->head.keep_alive_s;
	r->over |= r->told;
	r->said_close |= r->told;
	r->doubtful |= r->told;
	r->done++;
	r->begun = false;
	r->interim = 0;
	line_begin(r, RESPONSE_LINE);
}

/* One line without its end. */
struct line {
	const char *bytes;
	size_t len;
	bool is_cut; /* it was longer than this */
};

/*
 * RFC 9112, section 7.1: hexadecimal digits, then nothing or an extension. White space before it is
 * bad: no sender may make it.
 */
static bool parse_size(const struct line *l, uint64_t *out, bool *doubtful)
{
	const char *p = l->bytes, *end = p + l->len;
	uint64_t value = 0;

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
	*doubtful |= p < end && *p != ';';
	return p > l->bytes && (p == end ? !l->is_cut : *p == ';' || *p == ' ' || *p == '\t');
}

/* With a coding that does not frame, some clients use the length and others do not. */
static void body_begin(struct response *r)
{
	const struct response_head *h = &r->head;

	r->state = !h->has_length ? RESPONSE_TO_END : h->coded ? RESPONSE_LOST : RESPONSE_BODY;
	r->left = h->length;
	r->body = r->left;
}

/* An application that answers before it has the body may take the rest of it for a request. */
static bool before_body(const struct response *r, const struct kedge_note *note)
{
	return r->status >= 200 && note->standing == KEDGE_BODY &&
	       response_outstanding(r, note) == 1;
}

static void count_final(const struct response *r, struct response_counts *counts)
{
	unsigned first = r->status / 100;

	counts->finals++;
	counts->classes[first < RESPONSE_CLASSES ? first : 0]++;
}

/* The blank line has passed. RFC 9112, section 6.3, says what comes next. */
static enum response_event head_end(struct response *r, const struct kedge_note *note,
				    struct response_counts *counts)
{
	bool waiting = note->standing == KEDGE_WAITING;
	bool last = response_outstanding(r, note) == 1;

	r->doubtful |= response_head_in_doubt(&r->head, r->status) || before_body(r, note);
	if (r->status == 101) { /* judge() has let it pass */
		r->state = RESPONSE_TUNNEL;
		count_final(r, counts);
		return RESPONSE_SWITCHED;
	}
	if (r->status < 200) { /* the final one is still to come */
		r->begun = false;
		if (r->interim < RESPONSE_INTERIM_MAX)
			r->interim++;
		else
			r->doubtful = true;
		line_begin(r, RESPONSE_LINE);
		return RESPONSE_QUIET;
	}
	count_final(r, counts);
	r->early = !response_outstanding(r, note); /* to half a head, or to no request at all */
	r->doubtful |= r->early;
	if (response_to_head(r, note) || r->status == 204 || r->status == 304 ||
	    (r->head.has_length && !r->head.length && !r->head.coded))
		response_end(r, counts);
	else if (r->head.chunked)
		line_begin(r, RESPONSE_CHUNK);
	else
		body_begin(r);
	return waiting && last ? RESPONSE_DECLINED : RESPONSE_QUIET;
}

static void head_begin(struct response *r)
{
	r->head = (struct response_head){0};
	r->early = false;
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

/*
 * Some clients look for the CR that ends a chunk's size, or step over two bytes behind its data
 * without looking at them. Behind LF alone they would find other boundaries.
 */
static void chunk_line_end(struct response *r, const struct line *l)
{
	bool behind = r->state == RESPONSE_CHUNK_END;

	if (!r->cr || !(behind ? l->len == 0 : parse_size(l, &r->left, &r->doubtful)))
		r->state = RESPONSE_LOST;
	else if (behind)
		line_begin(r, RESPONSE_CHUNK);
	else
		chunk_begin(r);
}

/* It means nothing, but some would read it as if it did (RFC 9110, section 6.5.1). */
static bool trailer_in_doubt(const struct line *l)
{
	struct response_head h = {0};

	return !response_head_field(&h, l->bytes, l->len, l->is_cut) || h.doubtful ||
	       h.folds_badly || h.of_connection;
}

/* The blank line behind the fields. */
static bool is_blank_line(const struct line *l)
{
	return !l->len && !l->is_cut;
}

static enum response_event line_end(struct response *r, const struct kedge_note *note,
				    const struct line *l, struct response_counts *counts)
{
	switch (r->state) {
	case RESPONSE_LINE: /* judge() has seen its beginning */
		head_begin(r);
		r->doubtful |= l->len == RESPONSE_HELD_MAX;
		line_begin(r, l->len == RESPONSE_HELD_MAX || l->bytes[RESPONSE_HELD_MAX] == ' '
				      ? RESPONSE_FIELDS
				      : RESPONSE_LOST);
		break;
	case RESPONSE_FIELDS:
		if (is_blank_line(l))
			return head_end(r, note, counts);
		if (response_head_field(&r->head, l->bytes, l->len, l->is_cut))
			line_begin(r, RESPONSE_FIELDS);
		else
			r->state = RESPONSE_LOST;
		break;
	case RESPONSE_TRAILER:
		if (is_blank_line(l)) {
			response_end(r, counts);
			break;
		}
		r->doubtful |= trailer_in_doubt(l);
		line_begin(r, RESPONSE_TRAILER);
		break;
	default:
		chunk_line_end(r, l);
	}
	return RESPONSE_QUIET;
}

/* Is one of these bytes below a space? All lines come here, so eight are tried at once. */
static bool has_control(const char *p, size_t n)
{
	const uint64_t ones = UINT64_MAX / 255;
	uint64_t word;

	if (n < sizeof(word)) {
		for (size_t i = 0; i < n; i++)
			if ((unsigned char)p[i] < ' ')
				return true;
		return false;
	}
	for (size_t at = 0;; at += sizeof(word)) {
		if (at > n - sizeof(word))
			at = n - sizeof(word); /* again some bytes of the word before */
		memcpy(&word, p + at, sizeof(word));
		if ((word - ' ' * ones) & ~word & 0x80 * ones)
			return true;
		if (at == n - sizeof(word))
			return false;
	}
}

/*
 * Is there a CR that does not end the line? RFC 9112, section 2.2: some clients end the line there,
 * and find other fields. A NUL ends the line for some, too, but fewer.
 */
static bool line_has_cr(struct response *r, const char *p, size_t n)
{
	bool before = r->cr;

	if (!n)
		return false;
	r->cr = p[n - 1] == '\r';
	r->doubtful |= !p[n - 1];
	if (before || !has_control(p, n - 1))
		return before;
	r->doubtful |= memchr(p, 0, n - 1) != NULL;
	return memchr(p, '\r', n - 1);
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

/* No request waits for a response, not even an incomplete one. */
static bool nobody_waits(const struct response *r, const struct kedge_note *note)
{
	return note->requests && !response_outstanding(r, note) && note->standing != KEDGE_HEAD;
}

/* May this response go on? Its first RESPONSE_HELD_MAX bytes are known. */
static enum response_event judge(struct response *r, const struct kedge_note *note)
{
	bool wanted = note->standing == KEDGE_WAITING && response_outstanding(r, note) == 1;

	if (r->unasked)
		return RESPONSE_UNASKED;
	r->doubtful |= r->line[7] != '1' || r->status == 101 || r->status > 599;
	if (r->status == 101 && !wanted)
		return RESPONSE_REFUSED;
	r->old = r->line[7] == '0';
	r->held = 0;
	return RESPONSE_QUIET;
}

/* The first bytes of a status line, or other bytes in its place. */
static const char *feed_status(struct response *r, const struct kedge_note *note, const char *p,
			       const char *end, enum response_event *event)
{
	size_t n = RESPONSE_HELD_MAX - r->line_len;

	if (!r->begun) {
		r->unasked = r->over || nobody_waits(r, note);
		r->doubtful |= !response_outstanding(r, note);
	}
	r->begun = true;
	if ((size_t)(end - p) < n)
		n = (size_t)(end - p);
	memcpy(r->line + r->line_len, p, n);
	r->line_len = (uint8_t)(r->line_len + n);
	r->held = r->line_len;
	r->status = (uint16_t)response_head_status(r->line, r->line_len);
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
	struct line l;

	if (line_has_cr(r, p, (size_t)((lf ? lf : end) - p))) {
		r->state = RESPONSE_LOST;
		return p;
	}
	if (!lf) {
		line_keep(r, p, (size_t)(end - p));
		return end;
	}
	l = (struct line){.bytes = p, .len = (size_t)(lf - p)};
	/* A long line is always cut, also if it came whole: pieces must not matter. */
	if (r->line_len || l.len > sizeof(r->line)) {
		line_keep(r, p, l.len);
		l = (struct line){r->line, r->line_len, r->line_long};
	}
	l.len -= r->cr && !l.is_cut;
	r->doubtful |= !r->cr;
	*event = line_end(r, note, &l, counts);
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
	if (!r->left && r->head.chunked)
		line_begin(r, RESPONSE_CHUNK_END);
	else if (!r->left)
		response_end(r, counts);
	return p + take;
}

bool response_skip(struct response *r, uint64_t n, const struct response_counts *counts)
{
	if (!n || n > response_body_rest(r))
		return false;
	r->left -= n;
	if (!r->left)
		response_end(r, counts);
	CHECKED(response_check(r));
	return true;
}

#ifdef KEDGE_CHECKS
static bool in_line(const struct response *r)
{
	return r->state != RESPONSE_BODY && r->state < RESPONSE_TO_END;
}

void response_check(const struct response *r)
{
	CHECK(r, r->state <= RESPONSE_LOST);
	CHECK(r, r->line_len <= RESPONSE_LINE_KEPT);
	CHECK_IF(r, r->line_long && in_line(r), r->line_len == RESPONSE_LINE_KEPT);
	CHECK_IF(r, in_line(r) && !r->line_len, !r->cr);
	CHECK(r, r->held <= RESPONSE_HELD_MAX);
	CHECK_IF(r, r->held == RESPONSE_HELD_MAX, r->unasked || r->status == 101); /* refused */
	CHECK_IF(r, r->held, r->state == RESPONSE_LINE && r->begun && r->held == r->line_len);
	CHECK_IF(r, r->state == RESPONSE_LINE && !r->begun, !r->line_len);
	CHECK_IF(r, r->state == RESPONSE_BODY, r->left && r->left <= r->body);
	CHECK_IF(r, r->state == RESPONSE_BODY && !r->head.chunked, r->body == r->head.length);
	CHECK_IF(r, r->state >= RESPONSE_CHUNK && r->state <= RESPONSE_TRAILER, r->head.chunked);
	CHECK_IF(r, r->over, r->said_close);
	CHECK_IF(r, r->over || r->early || r->unasked, r->doubtful);
	CHECK(r, r->interim <= RESPONSE_INTERIM_MAX);
}

/* Without the answers that were refused: nobody feeds more then. */
static void fed_check(const struct response *r, const struct kedge_note *note,
		      const struct response_counts *counts, size_t had)
{
	response_check(r);
	CHECK(r, counts->good <= had);
	CHECK(r, counts->good == had - r->held);
	CHECK(r, (int32_t)response_outstanding(r, note) >= 0);
}
#endif

/*
 * May this head, whose status line has ended, say that the connection ends? Only if it answers the
 * last request that has gone on, and no part of another one has.
 */
static bool is_last(const struct response *r, const struct kedge_note *note)
{
	return r->status >= 200 && response_outstanding(r, note) == 1 &&
	       note->standing == KEDGE_BETWEEN;
}

enum response_event response_feed(struct response *r, const struct kedge_note *note,
				  const char *bytes, size_t n, struct response_counts *counts)
{
	enum response_event result = RESPONSE_QUIET;
	const char *p = bytes, *end = bytes + n;
	const size_t held = r->held;
	size_t head = 0; /* where the present response begins, if it began in this call */

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
			bool status = r->state == RESPONSE_LINE;

			p = feed_line(r, note, p, end, &event, counts);
			if (status && r->state == RESPONSE_FIELDS && counts->closing &&
			    is_last(r, note)) {
				r->told = true;
				counts->say_at = held + (size_t)(p - bytes);
			}
		}
		if (event >= RESPONSE_REFUSED) {
			counts->good = head;
			return event;
		}
		if (event != RESPONSE_QUIET)
			result = event;
	}
	counts->good = held + n - r->held;
	CHECKED(fed_check(r, note, counts, held + n));
	return result;
}
