/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run: response_line short --unwind 2
 * Run: response_fields short --unwind 2
 * Run: response_body short --unwind 2
 * Run: response_chunk long --unwind 2 --unwindset parse_size.0:66
 * Run: response_chunk_end short --unwind 2
 * Run: response_trailer short --unwind 2
 * Run: response_rest short --unwind 2
 *
 * response_feed() with one byte, from every state that has the invariant, with every note. A run
 * for each enum response_state. The invariant is response_check() and holds() below. It is true of
 * a new follower, and after each byte: so it is true after any number of bytes. Complete for
 * responses that come byte by byte: a line has at most RESPONSE_LINE_KEPT bytes that are read.
 *
 * In place of response_head_status() comes any answer that response_head.c proves of it, and in
 * place of response_head_field() and response_head_in_doubt() any at all. Taken for granted: the
 * editor keeps to KEDGE_NOTE_RING, and no body of 2^62 bytes has come. Not in it: larger pieces.
 */
#define KEDGE_CHECKS
#include "prove.h"

#include "base/check.h"

/* The invariant is what response.c itself checks. */
static bool valid;
#undef CHECK
#undef CHECK_IF
#define CHECK(object, must_hold)          (valid &= (bool)(must_hold))
#define CHECK_IF(object, when, must_hold) (valid &= !(when) || (must_hold))

/* A line gets one byte, or none. */
static void copy_byte(void *to, const void *from, size_t n)
{
	PROVE(n <= 1);
	if (n)
		*(char *)to = *(const char *)from;
}

static void *find_in_byte(const void *where, int wanted, size_t n)
{
	PROVE(n <= 1);
	return n && *(const unsigned char *)where == (unsigned char)wanted ? (void *)where : NULL;
}

#undef memcpy
#define memcpy copy_byte
#define memchr find_in_byte
#include "http/response.c"

bool response_head_field(struct response_head *h, const char *line, size_t len, bool is_cut)
{
	struct response_head any;
	bool known;

	PROVE(len <= RESPONSE_LINE_KEPT && (!len || __CPROVER_r_ok(line, len)));
	PROVE(!is_cut || len == RESPONSE_LINE_KEPT);
	*h = any;
	return known;
}

bool response_head_in_doubt(const struct response_head *h, unsigned status)
{
	bool doubt;

	PROVE(h);
	return doubt;
}

unsigned response_head_status(const char *line, size_t len)
{
	unsigned status;

	PROVE(len <= RESPONSE_STATUS_LEN && __CPROVER_r_ok(line, len));
	ASSUME(!status ||
	       (len < RESPONSE_STATUS_LEN ? status == 1 : status >= 100 && status <= 999));
	return status;
}

/* What only the note, or a state before, makes true. */
static bool holds(const struct response *r, const struct kedge_note *note)
{
	bool final = r->state == RESPONSE_BODY ||
		     (r->state >= RESPONSE_CHUNK && r->state <= RESPONSE_TO_END);
	uint32_t open = response_outstanding(r, note);

	valid = true;
	response_check(r);
	/* A response that is counted at its end has a request, so none is counted too many. */
	return valid && open <= KEDGE_NOTE_RING && (!final || r->early || open) &&
	       (!at_status(r) || r->held == r->line_len) && (r->held < RESPONSE_HELD_MAX) &&
	       (r->state != RESPONSE_LINE || at_status(r) || (!r->unasked && !r->held));
}

/* All requests have their answers, and no other one has begun. */
static bool asked_nothing(const struct response *r, const struct kedge_note *note)
{
	return note->requests && note->requests == r->done && note->standing != KEDGE_HEAD;
}

static uint32_t endings;

static void ended(void *arg, const struct response *r)
{
	PROVE(arg == &endings && !r->early);
	endings++;
}

static void any_response(struct response *r, struct kedge_note *note, uint8_t state)
{
	struct response any;
	struct kedge_note any_note;

	*r = any;
	*note = any_note;
	r->state = state;
	INPUT(*r);
	INPUT(note->requests);
	INPUT(note->standing);
	ASSUME(holds(r, note));
	ASSUME(response_body(r) < 1ull << 62);
}

/* None of the response goes on, if it may not. */
static void prove_refused(const struct response *before, const struct kedge_note *note,
			  const struct response_counts *counts, enum response_event event)
{
	PROVE(counts->good == 0 && before->state == RESPONSE_LINE);
	PROVE(endings == 0 && counts->finals == 0);
	if (event != RESPONSE_REFUSED)
		PROVE(before->begun ? before->unasked
				    : before->over || asked_nothing(before, note));
}

static void prove_fed(const struct response *before, const struct response *r,
		      const struct kedge_note *note, const struct response_counts *counts)
{
	PROVE(holds(r, note));
	PROVE(counts->good + r->held == before->held + 1u);
	PROVE(!counts->good || !before->held || !before->unasked);
	if (before->state == RESPONSE_LINE && !before->begun && before->over)
		PROVE(!counts->good);
	PROVE(r->done - before->done == endings && endings <= 1);
	PROVE(counts->finals <= 1);
	PROVE(!before->over || r->over);
	PROVE(!before->said_close || r->said_close);
	PROVE(response_clean(before) || !response_clean(r));
	if (before->state == RESPONSE_LINE && !before->begun && asked_nothing(before, note)) {
		PROVE(!counts->good);
		PROVE(!response_clean(r));
	}
	/* A 101 begins to go on only to who asked for it. */
	if (before->held && counts->good && r->status == 101)
		PROVE(r->state == RESPONSE_LOST ||
		      (note->standing == KEDGE_WAITING && response_outstanding(before, note) == 1));
}

/* False if the byte was refused. */
static bool byte_in(uint8_t state)
{
	struct response_counts counts = {.ended = ended, .arg = &endings};
	enum response_event event;
	struct response r, before;
	struct kedge_note note;
	char byte;

	any_response(&r, &note, state);
	INPUT(byte);
	before = r;
	endings = 0;
	event = response_feed(&r, &note, &byte, 1, &counts);
	if (event >= RESPONSE_REFUSED) {
		prove_refused(&before, &note, &counts, event);
		return false;
	}
	prove_fed(&before, &r, &note, &counts);
	if (state >= RESPONSE_TO_END)
		PROVE(r.state == state && event == RESPONSE_QUIET && r.done == before.done);
	return true;
}

void prove_response_line(void)
{
	if (byte_in(RESPONSE_LINE))
		REACH("it may go on");
	else
		REACH("it is refused");
}

void prove_response_fields(void)
{
	PROVE(byte_in(RESPONSE_FIELDS));
	if (endings)
		REACH("a response ends");
}

void prove_response_body(void)
{
	PROVE(byte_in(RESPONSE_BODY));
	if (endings)
		REACH("a response ends");
}

void prove_response_chunk(void)
{
	PROVE(byte_in(RESPONSE_CHUNK));
	REACH("the end");
}

void prove_response_chunk_end(void)
{
	PROVE(byte_in(RESPONSE_CHUNK_END));
	REACH("the end");
}

void prove_response_trailer(void)
{
	PROVE(byte_in(RESPONSE_TRAILER));
	if (endings)
		REACH("a response ends");
}

/* What is not followed any more. And a new follower has the invariant. */
void prove_response_rest(void)
{
	struct kedge_note none = {.requests = 0};
	struct response new = {.left = 0};
	uint8_t state;

	PROVE(holds(&new, &none));
	ASSUME(state >= RESPONSE_TO_END && state <= RESPONSE_LOST);
	PROVE(byte_in(state));
	REACH("the end");
}
