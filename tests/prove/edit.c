/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run: edit_byte long --unwind 4
 * Run: edit_begin short
 *
 * One byte of http1_edit(), in every state that a walk may have: the pieces and the copies of a
 * head fit into what has_room() keeps free for it, and all arrays are large enough. So they are for
 * every input. Complete: the only loops are those over the gaps of a text, which are three.
 *
 * Not in it: http1_edit_block(), which puts no piece, and the contents of what is copied.
 */
#include <stdlib.h>

#include "any_http1.h"

/* Only that both places exist. */
static void copy_room(void *to, const void *from, size_t n)
{
	PROVE(__CPROVER_w_ok(to, n));
	PROVE(__CPROVER_r_ok(from, n));
}

#undef memcpy
#define memcpy copy_room
#include "http/http1_edit.c"

/* When the present request began. */
struct base {
	unsigned pieces;
	size_t copied;
	unsigned fields; /* lines of this head up to `from`, if a line of it was cut; else 0 */
};

/* Up to where a line is cut: a piece ends there only if a line before it was kept. */
static bool head_holds(const struct walk *w, const struct base *b)
{
	const struct http1 *h = w->h;
	unsigned pieces = w->out->pieces - b->pieces, lines = h->fields;

	if (b->fields > lines || pieces > 1 + (b->fields + 1) / 2)
		return false;
	if (w->owed && (pieces || b->fields || w->out->copied != b->copied || w->from))
		return false;
	if (w->out->copied - b->copied > HTTP1_TOKEN_MAX)
		return false;
	if (h->state < HTTP1_FIELD)
		return !b->fields; /* nothing was cut yet */
	if (h->state == HTTP1_FIELD)
		return !b->fields || w->from == w->at || lines > b->fields;
	if (h->state == HTTP1_END_LF)
		return !b->fields || w->from == w->hold || lines > b->fields;
	return lines > b->fields && (!b->fields || h->hold == HTTP1_LOOSE || w->from == w->hold ||
				     lines > b->fields + 1);
}

static bool walk_holds(const struct walk *w, const struct base *b)
{
	const struct http1 *h = w->h;
	unsigned pieces = w->out->pieces - b->pieces;

	if (b->pieces > HTTP1_EDIT_PIECES - HTTP1_EDIT_PIECES_HEAD ||
	    b->copied > HTTP1_EDIT_COPY - HTTP1_EDIT_COPY_HEAD || b->pieces > w->out->pieces ||
	    b->copied > w->out->copied)
		return false;
	if (w->from > w->at || w->at > w->len || w->owed > HTTP1_TOKEN_MAX)
		return false;
	if (h->hold == HTTP1_LOOSE ? w->owed : w->from > w->hold || w->hold > w->at)
		return false;
	if (w->owed && h->hold == HTTP1_HELD && w->owed > h->len)
		return false;
	if (w->owed > 1 && h->state == HTTP1_END_LF)
		return false;
	if (h->state <= HTTP1_START_REQ)
		return !pieces && w->out->copied == b->copied && !w->owed && !b->fields;
	if (h->state <= HTTP1_END_LF && !(h->flags & HTTP1_F_TRAILER))
		return head_holds(w, b);
	return pieces < HTTP1_EDIT_PIECES_HEAD &&
	       w->out->copied - b->copied <= HTTP1_EDIT_COPY_HEAD;
}

static void any_walk(struct walk *w, struct base *b)
{
	struct base any_base;
	size_t len;

	*b = any_base;
	ASSUME(len <= KEDGE_HEAD_BYTES_MAX * 4);
	w->in = malloc(len);
	w->len = len;
	ASSUME(w->in && w->at < w->len && w->h->state != HTTP1_REFUSED &&
	       w->h->state != HTTP1_WAITING);
	ASSUME(w->complete.pieces == b->pieces && w->complete.from <= w->complete.at &&
	       w->complete.at <= w->at);
	INPUT(*b);
	INPUT(w->from);
	INPUT(w->hold);
	INPUT(w->at);
	INPUT(w->owed);
	INPUT(w->out->pieces);
	ASSUME(walk_holds(w, b));
}

/* After the last byte of a request, as http1_edit() does. */
static void boundary(struct walk *w, struct base *b)
{
	mark_complete(w);
	*b = (struct base){w->out->pieces, w->out->copied, 0};
	if (has_room(w->out))
		PROVE(walk_holds(w, b));
	else
		PROVE(w->out->pieces < HTTP1_EDIT_PIECES);
	REACH("a boundary");
}

void prove_edit_byte(void)
{
	struct http1_edit out;
	struct kedge_note note;
	struct http1_conf c;
	struct http1 h;
	struct walk w;
	struct base b;
	unsigned before;

	any_http1(&h, &c);
	w.out = &out;
	w.h = &h;
	w.c = &c;
	w.note = &note;
	any_walk(&w, &b);
	before = w.from;
	if (!byte(&w)) {
		take_back(&w);
		PROVE(out.pieces <= HTTP1_EDIT_PIECES);
		REACH("refused");
		return;
	}
	if (http1_between(&h)) {
		boundary(&w, &b);
		return;
	}
	if (h.state == HTTP1_FIELD && w.from == w.at && before != w.from)
		b.fields = h.fields;
	PROVE(walk_holds(&w, &b));
	/* The input may end here. */
	pass(&w, h.hold == HTTP1_LOOSE ? w.at : w.hold);
	if (b.fields == KEDGE_FIELDS_MAX)
		REACH("as many lines as may be");
}

/* The beginning of a call, in every state that earlier ones may have left. */
void prove_edit_begin(void)
{
	struct http1_edit out = {.pieces = 0};
	struct http1_conf c;
	struct http1 h;
	struct walk w = {.out = &out, .h = &h, .c = &c};
	const struct base b = {0};

	any_http1(&h, &c);
	ASSUME(h.state != HTTP1_REFUSED);
	INPUT(w.len);
	w.owed = http1_owed(&h);
	PROVE(walk_holds(&w, &b));
	REACH("the end");
}
