/* SPDX-License-Identifier: BSD-2-Clause */
/* From the client to the application: reads, lets the editor send, passes the end on. */
#include "conn/mover_up.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "conn/mover_lease.h"

static void note_first(struct flow *f, const uint8_t *p, size_t n)
{
	size_t room = sizeof(f->first) - f->first_len;

	memcpy(f->first + f->first_len, p, n < room ? n : room);
	f->first_len += (uint8_t)(n < room ? n : room);
}

/* Why the editor refused the requests. */
static enum kedge_reason why_refused(const struct flow *f)
{
	const struct kedge_note *note = f->leg->edit->note;

	return !flow_requests(f) && proxy_begins(f->first, f->first_len)
		       ? KEDGE_REASON_prefix_unexpected
		       : note->reason;
}

/* What an error of the editor means for the flow. STEP_MOVED: the other direction may go on. */
static enum mover_step up_failed(struct flow *f, int err)
{
	const struct kedge_note *note = f->leg->edit->note;

	residue_drop(&f->up);
	switch (err) {
	case -EPROTO:
		f->refused = true;
		f->reason = why_refused(f);
		return STEP_MOVED;
	case -EPIPE:
	case -ECONNRESET:
		f->leg->write_dead = true;
		f->leg->reset = err == -ECONNRESET;
		f->leg->in = true; /* it may have answered before it went */
		return STEP_MOVED;
	default:
		return mover_fail(f, STEP_ABORT,
				  note->reason ? note->reason : KEDGE_REASON_internal_error);
	}
}

/*
 * How many of the next n bytes are known to be of a body, if they do not fit a piece. The rest of
 * the body is asked for each time, since the editor may not have taken all that was read.
 */
static size_t up_body(struct flow *f, size_t n)
{
	uint64_t rest;

	if (n <= KEDGE_SEND_BYTES_MAX || f->leg->edit->note->standing != KEDGE_BODY)
		return 0;
	rest = edit_body_rest(f->leg->edit);
	return rest < n ? (size_t)rest : n;
}

/*
 * Gives the editor as much of p[0..n) as it takes, in pieces small enough for KEDGE_PIPELINE_MAX to
 * be watched between them. In a body there is nothing to watch. Returns how much it took, or its
 * error.
 */
static ssize_t up_send(struct flow *f, const uint8_t *p, size_t n)
{
	size_t sent = 0;

	while (sent < n && flow_outstanding(f) <= KEDGE_PIPELINE_MAX) {
		size_t piece = n - sent, body = up_body(f, piece);
		ssize_t r;

		if (body)
			piece = body;
		else if (piece > KEDGE_SEND_BYTES_MAX)
			piece = KEDGE_SEND_BYTES_MAX;
		r = body ? edit_body(f->leg->edit, p + sent, piece)
			 : edit_send(f->leg->edit, p + sent, piece);
		if (r == -EAGAIN) {
			f->leg->full = true;
			break;
		}
		if (r < 0)
			return r;
		assert(flow_outstanding(f) <= KEDGE_NOTE_RING);
		sent += (size_t)r;
		if ((size_t)r < piece) {
			f->leg->full = f->leg->edit->note->standing != KEDGE_WAITING;
			break;
		}
	}
	return (ssize_t)sent;
}

/* The same for bytes that are not sent yet: they may belong to a request that is not counted. */
static enum mover_step up_lost(struct flow *f, int err)
{
	enum mover_step step = up_failed(f, err);

	f->unsent = f->leg->write_dead && f->leg->edit->note->standing != KEDGE_BODY;
	return step;
}

static enum mover_step up_end(struct flow *f)
{
	int r;

	if (f->leg->shut)
		return STEP_IDLE;
	switch (f->leg->edit->note->standing) {
	case KEDGE_HEAD:
	case KEDGE_BODY:
		return mover_fail(f, STEP_ABORT, KEDGE_REASON_client_truncated);
	}
	r = edit_flush(f->leg->edit);
	if (r == -EAGAIN) {
		f->leg->full = true;
		return STEP_IDLE;
	}
	if (r < 0)
		return up_failed(f, r);
	shutdown(f->leg->fd, SHUT_WR); /* an error here is one that the next read meets too */
	f->leg->shut = true;
	return STEP_MOVED;
}

static enum mover_step up_residue(struct flow *f)
{
	ssize_t r = up_send(f, f->up.data + f->up.off, f->up.len - f->up.off);

	if (r < 0)
		return up_lost(f, (int)r);
	if (!r)
		return STEP_IDLE;
	residue_advance(&f->up, (size_t)r);
	return STEP_MOVED;
}

/*
 * Another request comes, and none can get an answer any more, or the client was told to end: it is
 * dropped, so that the client sends it again elsewhere. Reading goes on for the end of the stream.
 */
static bool behind_the_end(const struct flow *f)
{
	const struct response *r = &f->leg->response;

	return (response_endless(r) || response_told(r)) &&
	       f->leg->edit->note->standing == KEDGE_BETWEEN;
}

static void note_tail(struct flow *f, const uint8_t *p, size_t n)
{
	const size_t all = sizeof(f->tail), keep = n < all ? all - n : 0;

	memmove(f->tail, f->tail + all - keep, keep);
	memcpy(f->tail + keep, p + n - (all - keep), all - keep);
}

/* A read or a splice gave n: no byte. */
static enum mover_step up_nothing(struct flow *f, ssize_t n)
{
	if (n == -EAGAIN)
		return STEP_IDLE;
	if (n < 0 && n != -EINTR)
		return mover_fail(f, STEP_ABORT, record_death(f->record));
	return STEP_MOVED;
}

/* As mover_take(), but the tail stays that of the bytes before. */
static ssize_t take(struct mover *m, struct flow *f, size_t max)
{
	ssize_t n = record_read(f->record, m->buf, max < m->buf_size ? max : m->buf_size);

	if (n <= 0) {
		f->client_in &= n != -EAGAIN;
		f->client_eof |= n == 0;
		return n;
	}
	m->stats->bytes_up += (uint64_t)n;
	note_first(f, m->buf, (size_t)n);
	if (f->record->drained)
		f->client_in = f->client_ends;
	return n;
}

ssize_t mover_take(struct mover *m, struct flow *f, size_t max)
{
	ssize_t n = take(m, f, max);

	if (n > 0)
		note_tail(f, m->buf, (size_t)n);
	return n;
}

/* Keeps what the leg has not taken of m->buf[0..n). */
static enum mover_step up_keep(struct mover *m, struct flow *f, size_t taken, size_t n,
			       enum mover_step step)
{
	if (taken < n && !residue_keep(&f->up, m->buf + taken, n - taken))
		return mover_fail(f, STEP_ABORT, KEDGE_REASON_no_memory);
	return step;
}

static enum mover_step up_read(struct mover *m, struct flow *f)
{
	ssize_t n = take(m, f, m->buf_size), r;
	bool goes;

	if (n <= 0)
		return up_nothing(f, n);
	f->up_rest -= f->up_rest < (uint64_t)n ? f->up_rest : (uint64_t)n;
	if (behind_the_end(f)) {
		f->leg->dropped = true;
		f->lost_end = f->leg->response.state == RESPONSE_LOST || f->leg->response.early;
		return STEP_MOVED;
	}
	goes = lease_take(m, f, m->buf, (size_t)n); /* is the leg between requests before them? */
	note_tail(f, m->buf, (size_t)n);
	if (!goes)
		return up_keep(m, f, 0, (size_t)n, STEP_PART);
	r = up_send(f, m->buf, (size_t)n);
	if (r < 0)
		return up_lost(f, (int)r);
	return up_keep(m, f, (size_t)r, (size_t)n, STEP_MOVED);
}

/*
 * The body of a request goes by a pipe, no byte behind it. The editor is asked once a body, when it
 * has all that was read.
 */
static bool up_splices(struct flow *f)
{
	const struct kedge_note *note = f->leg->edit->note;

	if (!f->splices || note->standing != KEDGE_BODY || f->client_urgent)
		return false;
	if (f->up_asked != note->requests) {
		uint64_t rest = edit_body_rest(f->leg->edit);

		f->up_asked = note->requests;
		f->up_rest = rest < MOVER_SPLICE_LEAST ? 0 : rest;
	}
	return f->up_rest > 0;
}

static enum mover_step up_piped(struct flow *f)
{
	ssize_t r = edit_splice(f->leg->edit, f->up.pipe->read_fd, f->up.len - f->up.off);

	if (r == -EAGAIN) {
		f->leg->full = true;
		return STEP_IDLE;
	}
	if (r < 0)
		return up_failed(f, (int)r);
	residue_advance(&f->up, (size_t)r);
	return STEP_MOVED;
}

static enum mover_step up_splice(struct mover *m, struct flow *f)
{
	size_t most = f->up_rest < m->buf_size ? (size_t)f->up_rest : m->buf_size;
	struct pipe *pipe = pipes_take(&m->pipes);
	ssize_t n;

	if (!pipe) {
		m->stats->splice_no_pipe++;
		return up_read(m, f);
	}
	n = record_splice_in(f->record, pipe->write_fd, most);
	if (n <= 0) {
		pipe_unused(pipe, n < 0 && n != -EAGAIN && n != -EINTR);
		f->client_in &= n != -EAGAIN;
		f->client_eof |= n == 0;
		return up_nothing(f, n);
	}
	m->stats->bytes_up += (uint64_t)n;
	m->stats->splice_up_bytes += (uint64_t)n;
	lease_forget(f);
	f->up_rest -= (uint64_t)n;
	memset(f->tail, 0, sizeof(f->tail)); /* it is no head's end */
	residue_pipe(&f->up, pipe, (size_t)n);
	return up_piped(f);
}

enum mover_step mover_up(struct mover *m, struct flow *f)
{
	int r;

	if (f->leg->flush) {
		r = edit_flush(f->leg->edit);
		if (r == -EAGAIN) {
			f->leg->full = true;
			return STEP_IDLE;
		}
		f->leg->flush = false;
		if (r < 0)
			return up_failed(f, r);
	}
	if (f->leg->edit->note->standing == KEDGE_WAITING &&
	    (residue_any(&f->up) || !f->client_eof))
		return STEP_IDLE;
	if (f->up.pipe)
		return up_piped(f);
	if (f->up.data)
		return up_residue(f);
	if (f->client_eof)
		return up_end(f);
	if (!f->client_in || flow_outstanding(f) > KEDGE_PIPELINE_MAX)
		return STEP_IDLE;
	return up_splices(f) ? up_splice(m, f) : up_read(m, f);
}
