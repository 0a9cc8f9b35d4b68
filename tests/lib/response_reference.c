/* SPDX-License-Identifier: BSD-2-Clause */
#include "response_reference.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct span {
	const char *p;
	size_t n;
};

/* One line without its end. */
struct line {
	struct span s;
	bool is_cut; /* longer than kedge keeps: only its beginning is read */
	bool crlf;   /* ended by CRLF */
};

/* What the present head says. */
struct head {
	bool has_length, coded, chunked, close, keep;
	uint64_t length;
	uint16_t keep_alive_s;
	const char *doubt;                                   /* counts when the head is whole */
	enum { OF_NOTHING, OF_FRAMING, OF_CONNECTION } last; /* the field of the line before */
};

struct reader {
	struct response_reference *r;
	const char *in;
	size_t at, n, next; /* next arrival */
	bool *heads; /* owned: which of the requests that arrived were HEAD, from the first on */
	size_t arrived;
	struct head h;
	unsigned interims;
	bool old;
	jmp_buf stop;
};

/* --- the request side ------------------------------------------------------------------------- */

static void arrive(struct reader *x, const struct response_arrival *a)
{
	struct response_reference *r = x->r;

	if (r->standing == KEDGE_WAITING || r->standing == KEDGE_TUNNEL)
		return;
	x->heads[x->arrived] = a->head;
	r->standing = a->standing;
	if (!a->request)
		return;
	r->requests++;
	x->arrived++;
}

/* What has arrived when byte `at` is read. */
static void arrive_until(struct reader *x, size_t at)
{
	const struct response_reference *r = x->r;

	while (x->next < r->arrivals && r->arrival[x->next].at <= at)
		arrive(x, &r->arrival[x->next++]);
}

static uint32_t unanswered(const struct reader *x)
{
	return x->r->requests - x->r->done;
}

/* --- ends ------------------------------------------------------------------------------------- */

/* The first reason stays. */
static void doubt(struct reader *x, const char *why)
{
	if (!x->r->doubt)
		x->r->doubt = why;
}

static void doubt_if(struct reader *x, bool is_so, const char *why)
{
	if (is_so)
		doubt(x, why);
}

/* The stream ends here, or is not followed beyond this place. */
__attribute__((noreturn)) static void stop(struct reader *x, enum response_state state)
{
	x->r->state = state;
	x->r->good = x->n;
	doubt_if(x, state == RESPONSE_TO_END, "the end is that of the connection");
	doubt_if(x, state == RESPONSE_TUNNEL, "no HTTP any more");
	longjmp(x->stop, 1);
}

__attribute__((noreturn)) static void lose(struct reader *x, const char *why)
{
	x->r->why = why;
	doubt(x, why);
	stop(x, RESPONSE_LOST);
}

/* The response that begins at `at` must not pass. */
__attribute__((noreturn)) static void cut(struct reader *x, enum response_event event, size_t at)
{
	x->r->event = event;
	x->r->state = RESPONSE_LINE;
	x->r->good = at;
	longjmp(x->stop, 1);
}

static struct line line_from(struct reader *x, size_t from, enum response_state state)
{
	const char *p = x->in + from, *lf = memchr(x->in + x->at, '\n', x->n - x->at);
	struct line l = {{p, 0}, false, false};

	l.s.n = lf ? (size_t)(lf - p) : x->n - from;
	l.crlf = l.s.n && p[l.s.n - 1] == '\r';
	l.s.n -= l.crlf;
	/* RFC 9110, 5.5: dangerous. */
	doubt_if(x, memchr(p, 0, l.s.n), "NUL within a line");
	/* RFC 9112, 2.2. Some clients end a line there. */
	if (memchr(p, '\r', l.s.n))
		lose(x, "CR within a line");
	if (!lf)
		stop(x, state);
	doubt_if(x, !l.crlf, "LF alone"); /* RFC 9112, 2.2: a reader may take it */
	x->at = (size_t)(lf - x->in) + 1;
	l.is_cut = l.s.n + l.crlf > RESPONSE_LINE_KEPT;
	if (l.is_cut)
		l.s.n = RESPONSE_LINE_KEPT;
	return l;
}

static struct line next_line(struct reader *x, enum response_state state)
{
	return line_from(x, x->at, state);
}

/* --- fields ----------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
	for (; s.n && is_blank(*s.p); s.n--)
		s.p++;
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

static bool is(struct span s, const char *word)
{
	return s.n == strlen(word) && !strncasecmp(s.p, word, s.n);
}

/* The next element of a list, trimmed. False when there is none. */
static bool element(struct span *list, struct span *out)
{
	const char *comma;

	if (!list->p)
		return false;
	comma = memchr(list->p, ',', list->n);
	*out = *list;
	if (comma) {
		out->n = (size_t)(comma - list->p);
		*list = (struct span){comma + 1, list->n - out->n - 1};
	} else {
		*list = (struct span){NULL, 0};
	}
	*out = trim(*out);
	return true;
}

/* RFC 9112, 9.3. What a cut line may still say counts as close. */
static void read_connection(struct reader *x, struct span value, bool is_cut)
{
	struct span option;

	x->h.close |= is_cut;
	while (element(&value, &option)) {
		x->h.close |= is(option, "close");
		x->h.keep |= is(option, "keep-alive");
	}
}

/*
 * RFC 9112, 6.3: the length of an invalid field is unknown. kedge does not read "5, 5", which a
 * client may take for 5.
 */
static void read_length(struct reader *x, struct span value)
{
	uint64_t length = 0;

	if (x->h.has_length || x->h.coded)
		x->h.doubt = "a length beside another field that frames";
	value = trim(value);
	if (!value.n)
		lose(x, "an empty length");
	for (size_t i = 0; i < value.n; i++) {
		unsigned digit = (unsigned char)value.p[i] - (unsigned)'0';

		if (digit > 9 || length > ((uint64_t)INT64_MAX - digit) / 10)
			lose(x, "no length");
		length = length * 10 + digit;
	}
	if (x->h.has_length && x->h.length != length)
		lose(x, "two lengths");
	x->h.has_length = true;
	x->h.length = length;
}

/* The last coding frames if it is chunked. An empty element at the end hides it from kedge. */
static void read_coding(struct reader *x, struct span value)
{
	struct span coding;

	if (x->h.has_length || x->h.coded)
		x->h.doubt = "a coding beside another field that frames";
	if (!is(trim(value), "chunked"))
		x->h.doubt = "another coding than chunked alone";
	x->h.coded = true;
	while (element(&value, &coding))
		x->h.chunked = is(coding, "chunked");
}

/* "timeout=5, max=100": the shortest of those that are numbers of seconds. */
static void read_keep_alive(struct head *h, struct span value)
{
	struct span e;

	while (element(&value, &e)) {
		unsigned long s = 0;
		size_t i = 8;

		if (e.n <= 8 || strncasecmp(e.p, "timeout=", 8) != 0)
			continue;
		for (; i < e.n && e.p[i] >= '0' && e.p[i] <= '9' && s <= UINT16_MAX; i++)
			s = s * 10 + (unsigned long)(e.p[i] - '0');
		if (i < e.n || s > UINT16_MAX)
			continue;
		if (!s)
			h->doubt = "the application ends at once";
		else if (!h->keep_alive_s || s < h->keep_alive_s)
			h->keep_alive_s = (uint16_t)s;
	}
}

/* RFC 9110, 5.6.2. */
static bool is_token(struct span s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i], small = (char)(c | 0x20);

		if (!(c >= '0' && c <= '9') && !(c >= 'A' && small >= 'a' && small <= 'z') &&
		    !(c && strchr(others, c)))
			return false;
	}
	return s.n;
}

static void read_field(struct reader *x, const struct line *l)
{
	const char *colon = memchr(l->s.p, ':', l->s.n);
	struct span name, value, raw;

	if (!colon || !is_token((struct span){l->s.p, (size_t)(colon - l->s.p)}))
		x->h.doubt = "no name with a colon behind it";
	/* RFC 9112, 5.2: a folded line. kedge does not join lines that frame. */
	if (l->s.n && is_blank(l->s.p[0])) {
		if (x->h.last == OF_FRAMING)
			lose(x, "a folded line that frames");
		if (x->h.last == OF_CONNECTION)
			read_connection(x, l->s, l->is_cut);
		return;
	}
	x->h.last = OF_NOTHING;
	/* Of a cut line, the colon may be beyond: behind all that there is. */
	if (!colon && l->is_cut)
		colon = l->s.p + l->s.n;
	if (!colon)
		return;
	raw = (struct span){l->s.p, (size_t)(colon - l->s.p)};
	name = trim(raw);
	value = (struct span){colon, l->s.n - raw.n};
	if (value.n) { /* the colon */
		value.p++;
		value.n--;
	}
	if (is(name, "Connection")) {
		x->h.last = OF_CONNECTION;
		read_connection(x, value, l->is_cut);
		return;
	}
	if (is(name, "Keep-Alive") && !l->is_cut)
		read_keep_alive(&x->h, value);
	if (!is(name, "Content-Length") && !is(name, "Transfer-Encoding"))
		return;
	x->h.last = OF_FRAMING;
	/* RFC 9112, 5.1: a proxy removes white space before the colon; a client may or may not. */
	if (name.n != raw.n)
		lose(x, "white space before the colon");
	if (l->is_cut)
		lose(x, "a long line that frames");
	if (is(name, "Content-Length"))
		read_length(x, value);
	else
		read_coding(x, value);
}

/* --- bodies ----------------------------------------------------------------------------------- */

/* RFC 9112, 7.1: 1*HEXDIG, then nothing or an extension. */
static uint64_t read_size(struct reader *x)
{
	struct line l = next_line(x, RESPONSE_CHUNK);
	uint64_t size = 0;
	size_t i;

	if (!l.crlf)
		lose(x, "a size line that does not end with CRLF");
	for (i = 0; i < l.s.n; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = l.s.p[i] ? strchr(digits, l.s.p[i] | 0x20) : NULL;

		/* With 0x20 set, two control characters look like digits. */
		if (!digit || (l.s.p[i] < '0'))
			break;
		if (size >> 58)
			lose(x, "a size that is too large");
		size = size << 4 | (uint64_t)(digit - digits);
	}
	if (!i)
		lose(x, "no size");
	doubt_if(x, i < l.s.n && l.s.p[i] != ';', "something else than an extension behind a size");
	if (i < l.s.n ? l.s.p[i] != ';' && !is_blank(l.s.p[i]) : l.is_cut)
		lose(x, "not the end of a size");
	return size;
}

static uint64_t take(struct reader *x, uint64_t size)
{
	if (size > x->n - x->at) {
		x->r->left = size - (x->n - x->at);
		stop(x, RESPONSE_BODY);
	}
	x->at += (size_t)size;
	return size;
}

/* RFC 9110, 6.5.1: not a field that frames. Nor one that would have to be read twice. */
static void read_trailer(struct reader *x, const struct line *l)
{
	const char *colon = memchr(l->s.p, ':', l->s.n);
	struct span name = {l->s.p, colon ? (size_t)(colon - l->s.p) : 0};
	struct head trailer = {0};

	doubt_if(x, !is_token(name), "no name with a colon behind it in a trailer");
	doubt_if(x,
		 is(name, "Content-Length") || is(name, "Transfer-Encoding") ||
			 is(name, "Connection"),
		 "a trailer that only a head may have");
	if (is(name, "Keep-Alive") && !l->is_cut)
		read_keep_alive(&trailer, (struct span){colon + 1, l->s.n - name.n - 1});
	doubt_if(x, trailer.doubt, trailer.doubt);
}

static uint64_t read_chunks(struct reader *x)
{
	uint64_t size, all = 0;
	struct line l;

	while ((size = read_size(x)) > 0) {
		all += take(x, size);
		l = next_line(x, RESPONSE_CHUNK_END);
		if (l.s.n || !l.crlf)
			lose(x, "no CRLF behind a chunk");
	}
	for (;;) {
		l = next_line(x, RESPONSE_TRAILER);
		if (!l.s.n && !l.is_cut)
			return all;
		read_trailer(x, &l);
	}
}

/* RFC 9112, 6.3. */
static uint64_t read_body(struct reader *x, const struct response_message *m)
{
	const struct head *h = &x->h;

	if (m->to_head || m->status == 204 || m->status == 304)
		return 0;
	if (h->chunked)
		return read_chunks(x);
	/* RFC: to the end. Some clients use the length. */
	if (h->coded && h->has_length)
		lose(x, "a coding that does not frame, and a length");
	if (!h->has_length)
		stop(x, RESPONSE_TO_END);
	return take(x, h->length);
}

/* --- responses -------------------------------------------------------------------------------- */

/* The end of a final response. Behind an early one, nothing may follow. */
static void end(struct reader *x, struct response_message *m)
{
	m->end = x->at;
	if (m->counts) {
		x->r->done++;
		if (x->h.keep_alive_s)
			x->r->keep_alive_s = x->h.keep_alive_s;
		/* RFC 9112, 6.1: a coding in HTTP/1.0 is faulty framing: the connection ends. */
		x->r->said_close |= x->h.close || (x->old && (!x->h.keep || x->h.coded));
	} else {
		x->r->over = x->r->said_close = true;
	}
}

static struct response_message *next_message(struct response_reference *r)
{
	r->message = realloc(r->message, (r->messages + 1) * sizeof(*r->message));
	if (!r->message)
		abort();
	r->message[r->messages] = (struct response_message){0};
	return &r->message[r->messages++];
}

/* "HTTP/1.1 200", with any minor version (RFC 9110, 2.5) and a status of 100 or more. */
static bool fits(size_t i, char c)
{
	static const char like[] = "HTTP/1.";

	if (i < 7)
		return c == like[i];
	if (i == 8)
		return c == ' ';
	return c >= (i == 9 ? '1' : '0') && c <= '9';
}

/* Its first bytes decide whether it may pass. */
static unsigned read_status(struct reader *x, size_t begin)
{
	const struct response_reference *r = x->r;
	const char *p = x->in + begin;
	unsigned status;
	bool unasked;

	arrive_until(x, begin);
	doubt_if(x, !unanswered(x), "no request waits for it");
	unasked = r->over || (r->requests && !unanswered(x) && r->standing != KEDGE_HEAD);
	for (size_t i = 0; i < RESPONSE_STATUS_LEN; i++) {
		if (begin + i == x->n)
			cut(x, x->r->event, begin);
		if (!fits(i, p[i]) && unasked)
			cut(x, RESPONSE_STRAY, begin);
		if (!fits(i, p[i]))
			lose(x, "no status line");
	}
	arrive_until(x, begin + RESPONSE_STATUS_LEN - 1);
	status = (unsigned)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
	if (unasked)
		cut(x, RESPONSE_UNASKED, begin);
	doubt_if(x, status == 101, "another protocol");
	doubt_if(x, p[7] != '1', "another version");
	doubt_if(x, status > 599, "no class of status"); /* RFC 9110, 15 */
	if (status == 101 && !(r->standing == KEDGE_WAITING && unanswered(x) == 1))
		cut(x, RESPONSE_REFUSED, begin);
	x->old = p[7] == '0';
	x->at = begin + RESPONSE_STATUS_LEN;
	return status;
}

static void read_head(struct reader *x, size_t begin)
{
	struct line l = line_from(x, begin, RESPONSE_LINE);

	/* RFC 9112, 4: the space is there even without a reason; kedge forgives that. */
	if (l.s.n > RESPONSE_STATUS_LEN && l.s.p[RESPONSE_STATUS_LEN] != ' ')
		lose(x, "a status of more than three digits");
	doubt_if(x, l.s.n == RESPONSE_STATUS_LEN && !l.is_cut, "no space behind the status");
	for (;;) {
		l = next_line(x, RESPONSE_FIELDS);
		if (!l.s.n && !l.is_cut)
			return;
		read_field(x, &l);
	}
}

/* Of the oldest request without an answer, or of the head that is incomplete. */
static bool to_head(const struct reader *x)
{
	return x->heads[x->arrived - unanswered(x)];
}

/* Of a whole head. */
static void doubt_head(struct reader *x, unsigned status)
{
	/* An application says these when it has not understood a head or not read a body. */
	static const unsigned refusals[] = {400, 408, 411, 413, 414, 431, 501, 505};
	const struct head *h = &x->h;
	bool frames = h->has_length || h->coded;

	doubt_if(x, h->doubt, h->doubt);
	doubt_if(x, h->close, "the connection ends");
	/* RFC 9112, 6.1; RFC 9110, 8.6. */
	doubt_if(x, status < 200 && frames, "an interim response with a body");
	doubt_if(x, status == 204 && h->has_length && h->length, "204 with a length");
	doubt_if(x, (status == 204 || status == 304) && h->coded, "204 or 304 with a coding");
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
		doubt_if(x, status == refusals[i], "the request may have been read differently");
	doubt_if(x, status >= 200 && unanswered(x) == 1 && x->r->standing == KEDGE_BODY,
		 "before the body of the request");
}

static void read_response(struct reader *x)
{
	struct response_reference *r = x->r;
	size_t begin = x->at;
	unsigned status;
	struct response_message *m;

	if (begin == x->n)
		stop(x, RESPONSE_LINE);
	status = read_status(x, begin);
	x->h = (struct head){0};
	read_head(x, begin);
	arrive_until(x, x->at - 1);
	doubt_head(x, status);
	if (status < 200 && status != 101) { /* the final one is still to come */
		doubt_if(x, ++x->interims > RESPONSE_INTERIM_MAX, "a storm of interim responses");
		return;
	}
	x->interims = 0;
	m = next_message(r);
	*m = (struct response_message){.begin = begin, .head_end = x->at, .status = status};
	r->finals++;
	if (status == 101) {
		r->event = RESPONSE_SWITCHED;
		stop(x, RESPONSE_TUNNEL);
	}
	m->counts = unanswered(x);
	m->chunked = x->h.chunked;
	m->to_head = to_head(x);
	if (r->standing == KEDGE_WAITING && unanswered(x) == 1) {
		r->event = RESPONSE_DECLINED;
		r->standing = KEDGE_BETWEEN;
	}
	m->body = read_body(x, m);
	end(x, m);
}

/*
 * Until something stops it. Not part of its caller, which calls setjmp(): the compiler would fear
 * for its variables.
 */
__attribute__((noinline)) static void read_all(struct reader *x)
{
	for (;;)
		read_response(x);
}

void response_reference_read(struct response_reference *r, const char *in, size_t n)
{
	struct reader x = {.r = r, .in = in, .n = n};

	r->done = r->requests;
	x.heads = calloc(r->arrivals + 1, sizeof(*x.heads));
	if (!x.heads)
		abort();
	if (!setjmp(x.stop))
		read_all(&x);
	arrive_until(&x, n);
	free(x.heads);
}

void response_reference_free(struct response_reference *r)
{
	free(r->message);
}
