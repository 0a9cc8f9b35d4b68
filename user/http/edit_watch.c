/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An editor around another one. It shows the heads that pass. See edit_watch.h.
 *
 * It runs the same automaton with the same conf over the bytes that the inner editor took, so the
 * two cannot disagree about where a request begins. Of the automaton's acts only the end of a head
 * matters here.
 */
#include "http/edit_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/cleanup.h"
#include "http/http1_check.h"
#include "http/http1_edit.h"

struct edit_watch {
	struct edit e;
	struct edit *inner; /* owned */
	edit_watch_fn *seen;
	void *arg;
	struct http1 http1;
	struct http1_conf conf;
	char *kept; /* owned: the beginning of a head that came in earlier inputs */
	size_t kept_len, kept_room;
};

static struct edit_watch *self(struct edit *e)
{
	return (struct edit_watch *)e;
}

/* Appends to the kept beginning of a head. If there is no memory, the beginning stays as it is. */
static void keep(struct edit_watch *ew, const uint8_t *p, size_t n)
{
	if (!ew->kept || ew->kept_len + n > ew->kept_room) {
		size_t room = 2 * (ew->kept_len + n);
		char *more = realloc(ew->kept, room);

		if (!more)
			return;
		ew->kept = more;
		ew->kept_room = room;
	}
	memcpy(ew->kept + ew->kept_len, p, n);
	ew->kept_len += n;
}

static void kept_forget(struct edit_watch *ew)
{
	free(ew->kept);
	ew->kept = NULL;
	ew->kept_len = ew->kept_room = 0;
}

/* Shows a head: p[0..n), behind the kept beginning if there is one. */
static void show(struct edit_watch *ew, const uint8_t *p, size_t n)
{
	if (!ew->kept) {
		ew->seen(ew->arg, (const char *)p, n);
		return;
	}
	keep(ew, p, n);
	ew->seen(ew->arg, ew->kept, ew->kept_len);
	kept_forget(ew);
}

/* Shows the first line of a refused head, as far as it came. */
static void show_refused(struct edit_watch *ew, const uint8_t *p, size_t n)
{
	const uint8_t *lf = memchr(p, '\n', n);

	show(ew, p, lf ? (size_t)(lf - p) : n);
}

/* Reads the bytes that the inner editor took. */
static void follow(struct edit_watch *ew, const uint8_t *in, size_t len)
{
	struct http1 *h = &ew->http1;
	size_t at = 0, from = 0; /* where the present head begins */

	while (at < len && h->state != HTTP1_WAITING && h->state != HTTP1_REFUSED) {
		bool in_head;
		size_t n;

		if (http1_between(h))
			from = at;
		n = http1_edit_block(h, &ew->conf, in + at, len - at);
		at += n;
		if (n)
			continue;
		in_head = http1_standing(h) < KEDGE_BODY;
		switch (http1_byte(h, &ew->conf, in[at++])) {
		case HTTP1_END:
			show(ew, in + from, at - from);
			break;
		case HTTP1_REFUSE:
			if (in_head)
				show_refused(ew, in + from, len - from);
			return;
		default:
			break;
		}
	}
	if (http1_standing(h) == KEDGE_HEAD)
		keep(ew, in + from, len - from);
}

#ifdef KEDGE_CHECKS
/* It reads what the inner editor reads, and keeps no more than a head of it. */
static void watch_check(const struct edit_watch *ew, bool refused)
{
	CHECK(ew, ew->e.note == ew->inner->note && ew->e.fd == ew->inner->fd);
	CHECK(ew, !ew->kept == !ew->kept_room && ew->kept_len <= ew->kept_room);
	http1_check(&ew->http1, &ew->conf);
	CHECK_IF(ew, ew->kept_len, http1_standing(&ew->http1) == KEDGE_HEAD || refused);
	/* Heads are counted alike. */
	CHECK_IF(ew, !refused, ew->e.note->requests == ew->http1.requests);
}
#endif

/* The inner editor was given buf[0..len), and returned r. */
static ssize_t watched(struct edit *e, const void *buf, size_t len, ssize_t r)
{
	struct edit_watch *ew = self(e);

	e->cut_off = ew->inner->cut_off;
	e->holds = ew->inner->holds;
	if (r > 0)
		follow(ew, buf, (size_t)r);
	else if (r == -EPROTO) /* the fault is somewhere in it */
		follow(ew, buf, len);
	CHECKED(watch_check(ew, r < 0 && r != -EAGAIN));
	return r;
}

static ssize_t edit_watch_send(struct edit *e, const void *buf, size_t len)
{
	return watched(e, buf, len, edit_send(self(e)->inner, buf, len));
}

static ssize_t edit_watch_body(struct edit *e, const void *buf, size_t len)
{
	return watched(e, buf, len, edit_body(self(e)->inner, buf, len));
}

/* Both automata are at the same byte. To ask this one takes no system call. */
static uint64_t edit_watch_body_rest(struct edit *e)
{
	return http1_edit_body_rest(&self(e)->http1);
}

static ssize_t edit_watch_splice(struct edit *e, int pipe_fd, size_t len)
{
	struct edit_watch *ew = self(e);
	ssize_t n = edit_splice(ew->inner, pipe_fd, len);

	e->holds = ew->inner->holds;
	if (n > 0 && !http1_edit_skip(&ew->http1, (uint64_t)n))
		return -EIO;
	CHECKED(watch_check(ew, false));
	return n;
}

static int edit_watch_flush(struct edit *e)
{
	struct edit *inner = self(e)->inner;
	int r = edit_flush(inner);

	e->holds = inner->holds;
	return r;
}

static int edit_watch_resume(struct edit *e, bool tunnel)
{
	http1_resume(&self(e)->http1, tunnel);
	return edit_resume(self(e)->inner, tunnel);
}

/* An incomplete head is shown at the end, so that slow clients appear in the access log. */
static void edit_watch_free(struct edit *e)
{
	struct edit_watch *ew = self(e);

	edit_free(ew->inner);
	if (ew->kept_len)
		show_refused(ew, (const uint8_t *)"", 0);
	kept_forget(ew);
	brief_give(ew);
}

static const struct edit_ops watch_ops = {
	.name = "watch",
	.send = edit_watch_send,
	.body_rest = edit_watch_body_rest,
	.body = edit_watch_body,
	.splice = edit_watch_splice,
	.flush = edit_watch_flush,
	.resume = edit_watch_resume,
	.free = edit_watch_free,
};

struct edit *edit_watch_leave(struct edit *e)
{
	struct edit_watch *ew = self(e);
	struct edit *inner;

	if (e->ops != &watch_ops)
		return e;
	CHECKED(CHECK(ew, !ew->kept_len));
	inner = take_ptr(ew->inner);
	edit_watch_free(e);
	return inner;
}

struct edit *edit_watch_new(struct edit *inner, const struct http1_conf *conf, edit_watch_fn *seen,
			    void *arg, struct brief *brief)
{
	struct edit_watch *ew = inner ? brief_take(brief, sizeof(*ew)) : NULL;

	if (!ew)
		return NULL;
	ew->e = (struct edit){
		.ops = &watch_ops, .note = inner->note, .stats = inner->stats, .fd = inner->fd};
	ew->inner = inner;
	ew->conf = *conf;
	ew->http1.requests = inner->note->requests;
	ew->seen = seen;
	ew->arg = arg;
	return &ew->e;
}
