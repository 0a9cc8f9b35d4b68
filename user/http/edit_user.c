/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The editor in user space. It runs the automaton over the mover's buffer and sends the result with
 * one sendmsg(2). Bytes that the socket does not take are copied and kept. Until they are sent,
 * nothing more is read.
 */
#include "http/edit_user.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/cleanup.h"
#include "http/edit_socket.h"
#include "http/http1_check.h"
#include "http/http1_edit.h"

struct edit_user {
	struct edit edit;
	struct kedge_note note;
	uint8_t *rest; /* owned; NULL: nothing left to send */
	size_t rest_len, rest_off;
	struct http1_conf conf;
	struct http1 http1;
};

static struct edit_user *edit_user(struct edit *e)
{
	return (struct edit_user *)e;
}

/*
 * Tells the mover where the stream is. A refusal is published only after everything before it has
 * been sent, because the mover then stops sending.
 */
static void publish(struct edit_user *u)
{
	enum kedge_standing standing = http1_standing(&u->http1);

	if (standing == KEDGE_REFUSED) {
		if (u->rest)
			return;
		u->note.reason = u->http1.reason;
	}
	u->note.standing = (__u8)standing;
	http1_note_begun(&u->http1, &u->note);
}

#ifdef KEDGE_CHECKS
/* The note says where the automaton is; of a fault only once all before it has gone out. */
static void user_check(const struct edit_user *u)
{
	bool refused = u->http1.state == HTTP1_REFUSED;

	CHECK(u, u->edit.note == &u->note);
	CHECK_IF(u, u->rest, u->rest_off < u->rest_len);
	CHECK(u, u->edit.holds == !!u->rest);
	http1_check(&u->http1, &u->conf);
	note_check(&u->note);
	CHECK_IF(u, !refused, u->note.standing == http1_standing(&u->http1));
	CHECK_IF(u, refused, u->rest || u->note.reason == u->http1.reason);
	CHECK_IF(u, refused && u->rest, u->note.standing != KEDGE_REFUSED);
	CHECK_IF(u, !refused, u->note.requests == u->http1.requests);
	CHECK(u, (int32_t)(u->http1.requests - u->note.requests) >= 0);
}
#endif

/* Keeps a copy of the pieces, without their first `sent` bytes. */
static int keep_rest(struct edit_user *u, const struct http1_edit *out, size_t sent)
{
	uint8_t *p = malloc(out->bytes - sent);

	if (!p)
		return edit_socket_failed(&u->edit, ENOMEM);
	u->rest = p;
	u->edit.holds = true;
	u->rest_len = out->bytes - sent;
	u->rest_off = 0;
	for (unsigned i = 0; i < out->pieces; i++) {
		const struct iovec *v = &out->piece[i];
		size_t skip = sent < v->iov_len ? sent : v->iov_len;

		memcpy(p, (const uint8_t *)v->iov_base + skip, v->iov_len - skip);
		p += v->iov_len - skip;
		sent -= skip;
	}
	return 0;
}

/* Sends the pieces or keeps them. */
static int send_out(struct edit_user *u, struct http1_edit *out)
{
	ssize_t n;

	if (!out->bytes)
		return 0;
	n = edit_socket_send(&u->edit, out->piece, out->pieces);
	if (n < 0)
		return (int)n;
	return (size_t)n < out->bytes ? keep_rest(u, out, (size_t)n) : 0;
}

static int edit_user_flush(struct edit *e)
{
	struct edit_user *u = edit_user(e);

	while (u->rest) {
		struct iovec v = {u->rest + u->rest_off, u->rest_len - u->rest_off};
		ssize_t n = edit_socket_send(&u->edit, &v, 1);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EAGAIN;
		u->rest_off += (size_t)n;
		if (u->rest_off == u->rest_len) {
			free(u->rest);
			u->rest = NULL;
			u->edit.holds = false;
		}
	}
	publish(u);
	return 0;
}

static ssize_t edit_user_send(struct edit *e, const void *buf, size_t len)
{
	struct edit_user *u = edit_user(e);
	struct http1_edit out;
	size_t taken = 0;
	int r = edit_user_flush(e);

	if (r < 0)
		return r;
	while (taken < len && !u->rest && u->http1.state != HTTP1_WAITING &&
	       u->http1.state != HTTP1_REFUSED) {
		__u32 requests = u->note.requests;
		bool in_body = http1_standing(&u->http1) == KEDGE_BODY;
		size_t n = http1_edit(&out, &u->http1, &u->conf, &u->note,
				      (const uint8_t *)buf + taken, len - taken);

		/*
		 * A refused input is taken up to its last boundary. If it has none, the fault is in
		 * the request that had begun before.
		 */
		e->cut_off = in_body && !n;
		taken += n;
		e->stats->requests_user += u->note.requests - requests;
		r = send_out(u, &out);
		if (r < 0)
			return r;
	}
	publish(u);
	CHECKED(user_check(u));
	return u->note.standing == KEDGE_REFUSED ? -EPROTO : (ssize_t)taken;
}

static uint64_t edit_user_body_rest(struct edit *e)
{
	return http1_edit_body_rest(&edit_user(e)->http1);
}

static ssize_t edit_user_splice(struct edit *e, int pipe_fd, size_t len)
{
	struct edit_user *u = edit_user(e);
	ssize_t n = edit_user_flush(e);

	if (n < 0)
		return n;
	if (len > http1_edit_body_rest(&u->http1))
		return -EIO;
	n = edit_socket_splice(e, pipe_fd, len);
	if (n <= 0)
		return n ? n : -EAGAIN;
	http1_edit_skip(&u->http1, (uint64_t)n);
	publish(u);
	CHECKED(user_check(u));
	return n;
}

static int edit_user_resume(struct edit *e, bool tunnel)
{
	struct edit_user *u = edit_user(e);

	http1_resume(&u->http1, tunnel);
	publish(u);
	CHECKED(user_check(u));
	return 0;
}

/* Nothing of a request outlives it, except how many there were. */
static void edit_user_renew(struct edit *e, const struct http1_conf *conf)
{
	struct edit_user *u = edit_user(e);

	CHECKED(CHECK(u, u->note.standing == KEDGE_BETWEEN && !e->holds));
	CHECKED(http1_conf_check(conf));
	u->http1 = (struct http1){.requests = u->note.requests};
	u->conf = *conf;
	e->cut_off = false;
	CHECKED(user_check(u));
}

static void edit_user_free(struct edit *e)
{
	free(edit_user(e)->rest);
	brief_give(e);
}

static const struct edit_ops edit_user_ops = {
	.name = "user",
	.send = edit_user_send,
	.body_rest = edit_user_body_rest,
	.splice = edit_user_splice,
	.flush = edit_user_flush,
	.resume = edit_user_resume,
	.renew = edit_user_renew,
	.free = edit_user_free,
};

struct edit *edit_user_new(int fd, const struct http1_conf *conf, struct kedge_stats *stats,
			   struct brief *brief)
{
	struct edit_user *u = brief_take(brief, sizeof(*u));

	if (!u)
		return NULL;
	u->edit = (struct edit){.ops = &edit_user_ops, .note = &u->note, .stats = stats, .fd = fd};
	u->conf = *conf;
	CHECKED(http1_conf_check(conf));
	return &u->edit;
}
