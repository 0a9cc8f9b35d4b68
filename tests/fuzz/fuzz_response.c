/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on user/http/response.c. A stream in pieces must give the same state as in one. No
 * piece may be read past its end. A second reader (tests/lib/response_reference.h) must find the
 * same boundaries, bodies, refusals and ends; http-parser, where it accepts a response, the same
 * boundary.
 *
 * An input begins with choices (below). The rest stands for the stream, as stream.h says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/response.h"
#include "invariant.h"
#include "mutate.h"
#include "other_parser.h"
#include "stream.h"
#include "tests/lib/response_reference.h"

#define ARRIVALS 6
#define FIRST    8 /* requests before the first byte, at most */

/* Of the requests, and of the pieces that the responses come in. */
struct choices {
	uint8_t requests, head_bits, waiting; /* before the first byte */
	uint8_t cut[4];
	uint8_t answered; /* how many requests there were before */
	struct {
		uint8_t after; /* so many lines of the responses, and its kind */
		uint8_t bytes; /* and so many bytes; 255: there is no such request */
	} arrival[ARRIVALS];
};

_Static_assert(sizeof(struct choices) == 8 + 2 * ARRIVALS, "bytes");

struct ended {
	unsigned status;
	uint64_t body;
};

struct reader {
	struct response r;
	struct kedge_note note;
	struct response_counts counts;
	enum response_event event; /* the last that was not QUIET */
	size_t good;               /* bytes that went on */
	size_t at;                 /* bytes that were fed */
	struct ended *ended;       /* owned */
	size_t ends;
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);

/* Reacts to an event as the mover does. */
static void act(struct reader *rd, enum response_event event)
{
	if (event == RESPONSE_QUIET)
		return;
	rd->event = event;
	if (event == RESPONSE_SWITCHED || event == RESPONSE_DECLINED) {
		INVARIANT(rd->note.standing == KEDGE_WAITING);
		rd->note.standing = event == RESPONSE_SWITCHED ? KEDGE_TUNNEL : KEDGE_BETWEEN;
	}
}

/* The request stream goes on, as an editor notes it. */
static void arrive(struct kedge_note *note, const struct response_arrival *a)
{
	uint32_t bit = note->requests % KEDGE_NOTE_RING;

	if (note->standing == KEDGE_WAITING || note->standing == KEDGE_TUNNEL)
		return;
	note->head_bits[bit / 64] &= ~(1ULL << bit % 64);
	note->head_bits[bit / 64] |= (uint64_t)a->head << bit % 64;
	note->standing = (__u8)a->standing;
	note->requests += a->request;
}

static void take_end(void *arg, const struct response *r)
{
	struct reader *rd = arg;

	rd->ended = realloc(rd->ended, (rd->ends + 1) * sizeof(*rd->ended));
	INVARIANT(rd->ended);
	rd->ended[rd->ends++] = (struct ended){r->status, response_body(r)};
}

static void check_fed(const struct reader *rd, size_t held, size_t n, uint32_t finals)
{
	INVARIANT(rd->r.held <= RESPONSE_HELD_MAX);
	INVARIANT(rd->counts.good <= held + n);
	INVARIANT(rd->event >= RESPONSE_REFUSED || rd->counts.good == held + n - rd->r.held);
	INVARIANT(rd->counts.finals >= finals && rd->counts.finals - finals <= n);
	INVARIANT(rd->r.done <= rd->note.requests);
	INVARIANT(rd->r.line_len <= RESPONSE_LINE_KEPT);
	INVARIANT(rd->r.state <= RESPONSE_LOST);
	INVARIANT(rd->r.state != RESPONSE_BODY || rd->r.left);
	INVARIANT(rd->r.state != RESPONSE_TUNNEL || rd->event == RESPONSE_SWITCHED);
}

/* A copy of its own for each piece: the sanitizer sees a read one byte past it. */
static void feed(struct reader *rd, const uint8_t *bytes, size_t n)
{
	char *copy = malloc(n ? n : 1);
	uint32_t finals = rd->counts.finals;
	size_t held = rd->r.held;
	bool clean = response_clean(&rd->r);

	INVARIANT(copy);
	rd->at += n;
	if (n)
		memcpy(copy, bytes, n);
	rd->counts.ended = take_end;
	rd->counts.arg = rd;
	act(rd, response_feed(&rd->r, &rd->note, copy, n, &rd->counts));
	free(copy);
	INVARIANT(clean || !response_clean(&rd->r)); /* a doubt is not forgotten */
	check_fed(rd, held, n, finals);
	rd->good += rd->counts.good;
}

/* Feeds up to `end`, with the requests that arrive before. */
static void feed_to(struct reader *rd, const struct response_reference *plan, const uint8_t *in,
		    size_t end)
{
	for (size_t i = 0; i < plan->arrivals && rd->event < RESPONSE_REFUSED; i++) {
		const struct response_arrival *a = &plan->arrival[i];

		if (a->at < rd->at || a->at > end)
			continue;
		if (a->at > rd->at)
			feed(rd, in + rd->at, a->at - rd->at);
		if (a->at < end)
			arrive(&rd->note, a);
	}
	if (rd->event < RESPONSE_REFUSED)
		feed(rd, in + rd->at, end - rd->at);
}

/* Requests before the first byte; the last one may wait for an upgrade. */
static size_t plan_first(struct response_arrival *to, const struct choices *c)
{
	size_t n = c->requests % FIRST;

	for (size_t i = 0; i < n; i++)
		to[i] = (struct response_arrival){0, true, c->head_bits >> i & 1, KEDGE_BETWEEN};
	if (n && c->waiting & 1)
		to[n - 1].standing = KEDGE_WAITING;
	return n;
}

/* When others come: after some lines and bytes behind the one before. */
static size_t plan_others(struct response_arrival *to, const struct choices *c,
			  const struct http1_bytes *in)
{
	static const enum kedge_standing standings[] = {KEDGE_BETWEEN, KEDGE_HEAD, KEDGE_BODY,
							KEDGE_WAITING};
	size_t count = 0, at = 0;

	for (size_t i = 0; i < ARRIVALS; i++) {
		uint8_t after = c->arrival[i].after;

		if (c->arrival[i].bytes == 255)
			continue;
		for (unsigned lines = after >> 3; lines && at < in->len; at++)
			lines -= in->data[at] == '\n';
		at += c->arrival[i].bytes % 32;
		if (at >= in->len)
			break;
		to[count] = (struct response_arrival){at, true, after & 4, standings[after & 3]};
		to[count].request = to[count].standing != KEDGE_HEAD;
		count++;
	}
	return count;
}

static void compare_lines(const struct response *a, const struct response *b)
{
	if (a->state == RESPONSE_BODY || a->state >= RESPONSE_TO_END)
		return; /* no line is being read */
	INVARIANT(a->line_len == b->line_len && a->line_long == b->line_long);
	INVARIANT(a->cr == b->cr);
	INVARIANT(!memcmp(a->line, b->line, a->line_len));
}

/* In one and in pieces. */
static void compare(const struct reader *one, const struct reader *cut)
{
	const struct response *a = &one->r, *b = &cut->r;

	INVARIANT(one->event == cut->event);
	INVARIANT(one->good == cut->good);
	INVARIANT(one->counts.finals == cut->counts.finals);
	INVARIANT(one->ends == cut->ends);
	INVARIANT(!one->ends || !memcmp(one->ended, cut->ended, one->ends * sizeof(*one->ended)));
	INVARIANT(a->state == b->state);
	INVARIANT(a->done == b->done);
	INVARIANT(a->status == b->status);
	INVARIANT(response_clean(a) == response_clean(b));
	if (one->event >= RESPONSE_REFUSED)
		return;
	INVARIANT(response_between(a) == response_between(b));
	INVARIANT(response_over(a) == response_over(b));
	INVARIANT(response_was_last(a) == response_was_last(b));
	INVARIANT(a->keep_alive_s == b->keep_alive_s);
	INVARIANT(a->state != RESPONSE_BODY ||
		  (a->left == b->left && a->head.chunked == b->head.chunked));
	compare_lines(a, b);
}

static void compare_messages(const struct reader *rd, const struct response_reference *r)
{
	size_t k = 0;

	for (size_t i = 0; i < r->messages; i++) {
		const struct response_message *m = &r->message[i];

		if (!m->counts || !m->end)
			continue;
		INVARIANT(k < rd->ends);
		INVARIANT(rd->ended[k].status == m->status);
		INVARIANT(rd->ended[k].body == m->body);
		k++;
	}
	INVARIANT(k == rd->ends);
}

static void compare_reference(const struct reader *rd, const struct response_reference *r)
{
	if (rd->event != r->event || rd->r.state != r->state)
		fprintf(stderr, "event %d, state %d; reference: event %d, state %d, %s\n",
			rd->event, rd->r.state, r->event, r->state, r->why ? r->why : "not lost");
	INVARIANT(rd->event == r->event);
	INVARIANT(rd->r.state == r->state);
	INVARIANT(rd->good == r->good);
	INVARIANT(rd->counts.finals == r->finals);
	INVARIANT(rd->r.done == r->done);
	INVARIANT(response_over(&rd->r) == r->over);
	INVARIANT(response_was_last(&rd->r) == r->said_close);
	INVARIANT(rd->r.keep_alive_s == r->keep_alive_s);
	if (response_clean(&rd->r) == (r->doubt || r->said_close))
		fprintf(stderr, "clean %d; reference: %s\n", response_clean(&rd->r),
			r->doubt ? r->doubt : "clean");
	INVARIANT(response_clean(&rd->r) == !(r->doubt || r->said_close));
	INVARIANT(r->state != RESPONSE_BODY || rd->r.left == r->left);
	compare_messages(rd, r);
}

static void check(struct response_reference *plan, const struct choices *c,
		  const struct http1_bytes *in)
{
	struct reader one = {.note.requests = plan->requests, .r.done = plan->requests}, cut = one;
	size_t first = (c->cut[0] | (size_t)c->cut[1] << 8) % (in->len + 1);
	size_t second = first + (c->cut[2] | (size_t)c->cut[3] << 8) % (in->len - first + 1);
	const char *wrong;

	feed_to(&one, plan, in->data, in->len);
	feed_to(&cut, plan, in->data, first);
	feed_to(&cut, plan, in->data, second);
	feed_to(&cut, plan, in->data, in->len);
	compare(&one, &cut);
	response_reference_read(plan, (const char *)in->data, in->len);
	compare_reference(&one, plan);
	wrong = other_parser_disagrees_down(plan, (const char *)in->data, in->len);
	if (wrong)
		fprintf(stderr, "%s\n", wrong);
	INVARIANT(!wrong);
	response_reference_free(plan);
	free(one.ended);
	free(cut.ended);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	/* Around the end of the ring, too. */
	static const uint32_t before[] = {0, KEDGE_NOTE_RING - 2, 5 * KEDGE_NOTE_RING - 3};
	struct response_arrival arrival[FIRST + ARRIVALS];
	struct response_reference plan = {.arrival = arrival};
	struct http1_bytes in = {0};
	struct choices c;

	if (n < sizeof(c))
		return -1;
	memcpy(&c, bytes, sizeof(c));
	stream_expand(&in, KEDGE_HEAD_BYTES_LEAST, bytes + sizeof(c), n - sizeof(c));
	http1_bytes_add(&in, "", 0); /* so that there is a buffer */
	plan.requests = before[c.answered % 3];
	plan.arrivals = plan_first(arrival, &c);
	plan.arrivals += plan_others(arrival + plan.arrivals, &c, &in);
	check(&plan, &c, &in);
	free(in.data);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	static const struct mutate m = {sizeof(struct choices), GRAMMAR_RESPONSES};

	return mutate(&m, data, n, max, seed);
}
