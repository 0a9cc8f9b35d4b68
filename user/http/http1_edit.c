/* SPDX-License-Identifier: BSD-2-Clause */
/* Drives the automaton over a buffer. See http1_edit.h, and http1.h for the rules of driving. */
#include "http/http1_edit.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/check.h"
#include "http/http1_check.h"

/*
 * One call's place in its input. Bytes [from, at) are read and not yet in the list. A held run
 * begins at `hold`. It stays part of these bytes until its end, so that a run that is kept costs no
 * piece.
 */
struct walk {
	struct http1_edit *out;
	struct http1 *h;
	const struct http1_conf *c;
	struct kedge_note *note;
	const uint8_t *in;
	size_t from, hold, at, len;
	uint32_t owed; /* of a run held since an earlier call */
	struct {
		size_t from, at;
		size_t bytes;
		unsigned pieces;
		uint32_t requests;
	} complete; /* the last boundary */
};

static void put(struct walk *w, const void *data, size_t len)
{
	if (!len)
		return;
	assert(w->out->pieces < HTTP1_EDIT_PIECES);
	w->out->piece[w->out->pieces++] = (struct iovec){.iov_base = (void *)data, .iov_len = len};
	w->out->bytes += len;
}

/* For bytes that the automaton will overwrite. */
static void put_copy(struct walk *w, const void *data, size_t len)
{
	uint8_t *copy = w->out->copy + w->out->copied;

	assert(len <= HTTP1_EDIT_COPY - w->out->copied);
	memcpy(copy, data, len);
	w->out->copied += len;
	put(w, copy, len);
}

/* Bytes [from, end) go on. */
static void pass(struct walk *w, size_t end)
{
	assert(w->from <= end && end <= w->at);
	put(w, w->in + w->from, end - w->from);
	w->from = end;
}

/* The rest of the text, without its gaps. */
static void put_tail(struct walk *w, const struct http1_text *t)
{
	size_t from = t->from;

	if (!t->tail)
		return;
	for (unsigned i = 0; i < HTTP1_GAPS; i++) {
		if (!t->gap[i])
			continue;
		put(w, w->c->text + from, t->at[i] - from);
		from = t->at[i] + t->gap[i];
	}
	put(w, w->c->text + from, w->c->text_len - from);
}

/* The text goes before the held CR. A CR that was taken out of an earlier input comes back. */
static void head_ends(struct walk *w)
{
	struct http1_text t;

	pass(w, w->hold);
	http1_text(w->h, w->c, &t);
	put(w, w->c->text, t.head);
	put_copy(w, w->h->list, t.list);
	put_tail(w, &t);
	put_copy(w, w->h->options, t.options);
	if (w->owed)
		put(w, "\r", 1);
	w->owed = 0;
	http1_note_request(w->h, w->note);
}

static void mark_complete(struct walk *w)
{
	w->complete.from = w->from;
	w->complete.at = w->at;
	w->complete.bytes = w->out->bytes;
	w->complete.pieces = w->out->pieces;
	w->complete.requests = w->note->requests;
}

/* Goes back to the last boundary: nothing of a refused request goes on. */
static void take_back(struct walk *w)
{
	w->from = w->complete.from;
	w->at = w->complete.at;
	w->out->bytes = w->complete.bytes;
	w->out->pieces = w->complete.pieces;
	w->note->requests = w->complete.requests;
	pass(w, w->at);
}

/* Reads one byte; false when it was refused. */
static bool byte(struct walk *w)
{
	switch (http1_byte(w->h, w->c, w->in[w->at++])) {
	case HTTP1_PASS:
		break;
	case HTTP1_HOLD:
		w->hold = w->at - 1;
		break;
	case HTTP1_KEEP:
		put_copy(w, w->h->token, w->owed);
		w->owed = 0;
		break;
	case HTTP1_CUT:
		pass(w, w->hold);
		w->from = w->at;
		w->owed = 0;
		break;
	case HTTP1_END:
		head_ends(w);
		break;
	case HTTP1_REFUSE:
		return false;
	}
	return true;
}

static bool has_room(const struct http1_edit *out)
{
	return out->pieces + HTTP1_EDIT_PIECES_HEAD <= HTTP1_EDIT_PIECES &&
	       out->copied + HTTP1_EDIT_COPY_HEAD <= HTTP1_EDIT_COPY;
}

#ifdef KEDGE_CHECKS
static bool is_within(const struct iovec *v, const uint8_t *from, size_t len)
{
	const uint8_t *p = v->iov_base;

	return p >= from && v->iov_len <= len && p <= from + len - v->iov_len;
}

/* The pieces are inside the input, the conf or copy[], and have as many bytes as is said. */
static void edit_check(const struct walk *w)
{
	const struct http1_edit *out = w->out;
	size_t bytes = 0;

	CHECK(out, out->pieces <= HTTP1_EDIT_PIECES && out->copied <= HTTP1_EDIT_COPY);
	for (unsigned i = 0; i < out->pieces; i++) {
		const struct iovec *v = &out->piece[i];

		CHECK(out, v->iov_len);
		CHECK(out, is_within(v, w->in, w->len) ||
				   is_within(v, w->c->text, w->c->text_len) ||
				   is_within(v, out->copy, out->copied) ||
				   (v->iov_len == 1 && *(char *)v->iov_base == '\r'));
		bytes += v->iov_len;
	}
	CHECK(out, out->bytes == bytes);
	CHECK(out, w->at <= w->len);
	http1_check(w->h, w->c);
	CHECK_IF(w->h, w->h->state != HTTP1_REFUSED, w->note->requests == w->h->requests);
}
#endif

size_t http1_edit(struct http1_edit *out, struct http1 *h, const struct http1_conf *c,
		  struct kedge_note *note, const void *in, size_t len)
{
	struct walk w = {.out = out, .h = h, .c = c, .note = note, .in = in, .len = len};

	out->pieces = 0;
	out->bytes = 0;
	out->copied = 0;
	w.owed = http1_owed(h);
	mark_complete(&w);
	while (w.at < len && h->state != HTTP1_WAITING) {
		size_t n = http1_edit_block(h, c, w.in + w.at, len - w.at);

		w.at += n;
		if (!n && !byte(&w)) {
			take_back(&w);
			CHECKED(edit_check(&w));
			return w.at;
		}
		if (h->state != HTTP1_START && h->state != HTTP1_START_REQ)
			continue;
		mark_complete(&w);
		if (!has_room(out))
			break;
	}
	pass(&w, h->hold == HTTP1_LOOSE ? w.at : w.hold);
	CHECKED(edit_check(&w));
	return w.at;
}
