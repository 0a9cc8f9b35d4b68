/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on user/http/response.c. A stream in three pieces must give the same state as in one.
 * No piece may be read past its end. There must not be more finished responses than requests.
 *
 * An input begins with the note: requests, which of them were HEAD, whether the last one waits for
 * an upgrade. Then two cuts, then the stream.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/response.h"
#include "invariant.h"

#define PREAMBLE 7

struct reader {
	struct response r;
	struct kedge_note note;
	struct response_counts counts;
	enum response_event event; /* the last that was not QUIET */
	size_t good;               /* bytes that went on */
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

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

/* A copy of its own for each piece: the sanitizer sees a read one byte past it. */
static void feed(struct reader *rd, const uint8_t *bytes, size_t n)
{
	char *copy = malloc(n ? n : 1);
	uint32_t finals = rd->counts.finals;
	size_t held;

	INVARIANT(copy);
	if (rd->event >= RESPONSE_REFUSED) {
		free(copy);
		return;
	}
	held = rd->r.held;
	if (n)
		memcpy(copy, bytes, n);
	act(rd, response_feed(&rd->r, &rd->note, copy, n, &rd->counts));
	free(copy);
	INVARIANT(rd->r.held <= RESPONSE_HELD_MAX);
	INVARIANT(rd->counts.good <= held + n);
	INVARIANT(rd->event >= RESPONSE_REFUSED || rd->counts.good == held + n - rd->r.held);
	rd->good += rd->counts.good;
	INVARIANT(rd->counts.finals >= finals && rd->counts.finals - finals <= n);
	INVARIANT(rd->r.done <= rd->note.requests);
	INVARIANT(rd->r.done <= rd->counts.finals);
	INVARIANT(rd->r.line_len <= RESPONSE_LINE_KEPT);
	INVARIANT(rd->r.state <= RESPONSE_LOST);
	INVARIANT(rd->r.state != RESPONSE_BODY || rd->r.left);
	INVARIANT(rd->r.state != RESPONSE_TUNNEL || rd->event == RESPONSE_SWITCHED);
}

static struct reader begin(const uint8_t *b)
{
	struct reader rd = {.note = {.requests = b[0] % 8}};

	rd.note.head_bits[0] = b[1];
	if (b[2] & 1 && rd.note.requests)
		rd.note.standing = KEDGE_WAITING;
	return rd;
}

static void compare(const struct reader *one, const struct reader *cut)
{
	const struct response *a = &one->r, *b = &cut->r;

	INVARIANT(one->event == cut->event);
	INVARIANT(one->good == cut->good);
	INVARIANT(one->counts.finals == cut->counts.finals);
	INVARIANT(a->state == b->state);
	INVARIANT(a->done == b->done);
	INVARIANT(a->status == b->status);
	if (one->event >= RESPONSE_REFUSED)
		return;
	INVARIANT(response_between(a) == response_between(b));
	INVARIANT(a->state != RESPONSE_BODY ||
		  (a->left == b->left && a->head.chunked == b->head.chunked));
	if (a->state == RESPONSE_BODY || a->state >= RESPONSE_TO_END)
		return; /* no line is being read */
	INVARIANT(a->line_len == b->line_len && a->line_long == b->line_long);
	INVARIANT(!memcmp(a->line, b->line, a->line_len));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct reader one, cut;
	size_t first, second;

	if (n < PREAMBLE)
		return 0;
	one = cut = begin(bytes);
	first = bytes[3] | (size_t)bytes[4] << 8;
	second = bytes[5] | (size_t)bytes[6] << 8;
	bytes += PREAMBLE;
	n -= PREAMBLE;
	first %= n + 1;
	second = first + second % (n - first + 1);
	feed(&one, bytes, n);
	feed(&cut, bytes, first);
	feed(&cut, bytes + first, second - first);
	feed(&cut, bytes + second, n - second);
	compare(&one, &cut);
	return 0;
}
