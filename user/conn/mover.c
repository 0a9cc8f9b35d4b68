/* SPDX-License-Identifier: BSD-2-Clause */
/* Moves the bytes of a flow. See mover.h. */
#include "conn/mover.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/trace.h"

/* Rounds of both directions before other flows get their turn. */
#define ROUNDS_PER_TURN  16
/*
 * And as many full buffers: what is read byte by byte, as chunks of one byte are, takes its time.
 */
#define BUFFERS_PER_TURN 2

enum step {
	STEP_IDLE,  /* this direction can do nothing now */
	STEP_MOVED, /* call again */
	STEP_REPLY, /* as the verdicts of mover.h */
	STEP_ABORT,
};

static enum step fail(struct flow *f, enum step how, enum kedge_reason reason)
{
	f->reason = reason;
	return how;
}

static bool residue_keep(struct residue *r, const uint8_t *p, size_t n)
{
	r->data = malloc(n);
	if (!r->data)
		return false;
	memcpy(r->data, p, n);
	r->len = (uint32_t)n;
	r->off = 0;
	return true;
}

static void residue_drop(struct residue *r)
{
	free(r->data);
	*r = (struct residue){0};
}

static void residue_advance(struct residue *r, size_t n)
{
	r->off += (uint32_t)n;
	if (r->off == r->len)
		residue_drop(r);
}

/* --- client to application -------------------------------------------------------------------- */

static void note_first(struct flow *f, const uint8_t *p, size_t n)
{
	size_t room = sizeof(f->first) - f->first_len;

	memcpy(f->first + f->first_len, p, n < room ? n : room);
	f->first_len += (uint8_t)(n < room ? n : room);
}

/* Why the editor refused the requests. */
static enum kedge_reason why_refused(const struct flow *f)
{
	const struct kedge_note *note = f->edit->note;

	return !note->requests && proxy_begins(f->first, f->first_len)
		       ? KEDGE_REASON_prefix_unexpected
		       : note->reason;
}

/* What an error of the editor means for the flow; STEP_MOVED where the other direction may go on.
 */
static enum step up_failed(struct flow *f, int err)
{
	const struct kedge_note *note = f->edit->note;

	residue_drop(&f->up);
	switch (err) {
	case -EPROTO:
		f->refused = true;
		f->reason = why_refused(f);
		return STEP_MOVED;
	case -EPIPE:
	case -ECONNRESET:
		f->app_write_dead = true;
		f->app_in = true; /* it may have answered before it went */
		return STEP_MOVED;
	default:
		return fail(f, STEP_ABORT,
			    note->reason ? note->reason : KEDGE_REASON_internal_error);
	}
}

/*
 * Gives the editor as much of p[0..n) as it takes, in pieces small enough for KEDGE_PIPELINE_MAX to
 * be watched between them. Returns how much it took, or its error.
 */
static ssize_t up_send(struct flow *f, const uint8_t *p, size_t n)
{
	size_t sent = 0;

	while (sent < n && flow_outstanding(f) <= KEDGE_PIPELINE_MAX) {
		size_t piece = n - sent;
		ssize_t r;

		if (piece > KEDGE_SEND_BYTES_MAX)
			piece = KEDGE_SEND_BYTES_MAX;
		r = edit_send(f->edit, p + sent, piece);
		if (r == -EAGAIN) {
			f->app_full = true;
			break;
		}
		if (r < 0)
			return r;
		assert(flow_outstanding(f) <= KEDGE_NOTE_RING);
		sent += (size_t)r;
		if ((size_t)r < piece) {
			f->app_full = f->edit->note->standing != KEDGE_WAITING;
			break;
		}
	}
	return (ssize_t)sent;
}

/*
 * The same for bytes that came from the client just now: they may be of a request that nobody
 * counted.
 */
static enum step up_lost(struct flow *f, int err)
{
	enum step step = up_failed(f, err);

	f->unsent = f->app_write_dead && f->edit->note->standing != KEDGE_BODY;
	return step;
}

static enum step up_end(struct flow *f)
{
	int r;

	if (f->app_shut)
		return STEP_IDLE;
	switch (f->edit->note->standing) {
	case KEDGE_HEAD:
	case KEDGE_BODY:
		return fail(f, STEP_ABORT, KEDGE_REASON_client_truncated);
	}
	r = edit_flush(f->edit);
	if (r == -EAGAIN) {
		f->app_full = true;
		return STEP_IDLE;
	}
	if (r < 0)
		return up_failed(f, r);
	shutdown(f->app_fd, SHUT_WR); /* an error here is one that the next read meets too */
	f->app_shut = true;
	return STEP_MOVED;
}

static enum step up_residue(struct flow *f)
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
 * What comes now is another request, and none can have an answer any more: it is dropped, so that
 * the client sends it again elsewhere. Reading goes on for the end of the stream.
 */
static bool behind_the_end(const struct flow *f)
{
	return response_endless(&f->response) && f->edit->note->standing == KEDGE_BETWEEN;
}

static void note_tail(struct flow *f, const uint8_t *p, size_t n)
{
	const size_t all = sizeof(f->tail), keep = n < all ? all - n : 0;

	memmove(f->tail, f->tail + all - keep, keep);
	memcpy(f->tail + keep, p + n - (all - keep), all - keep);
}

static enum step up_read(struct mover *m, struct flow *f)
{
	ssize_t n = record_read(f->record, m->buf, m->buf_size), r;

	if (n == -EAGAIN) {
		f->client_in = false;
		return STEP_IDLE;
	}
	if (n == -EINTR)
		return STEP_MOVED;
	if (n < 0)
		return fail(f, STEP_ABORT,
			    f->record->reason ? f->record->reason : KEDGE_REASON_client_reset);
	if (n == 0) {
		f->client_eof = true;
		return STEP_MOVED;
	}
	m->stats->bytes_up += (uint64_t)n;
	note_first(f, m->buf, (size_t)n);
	note_tail(f, m->buf, (size_t)n);
	if (f->record->drained)
		f->client_in = f->client_ends;
	if (behind_the_end(f)) {
		f->lost_end = f->response.state == RESPONSE_LOST || f->response.early;
		return STEP_MOVED;
	}
	r = up_send(f, m->buf, (size_t)n);
	if (r < 0)
		return up_lost(f, (int)r);
	if (r < n && !residue_keep(&f->up, m->buf + r, (size_t)(n - r)))
		return fail(f, STEP_ABORT, KEDGE_REASON_no_memory);
	return STEP_MOVED;
}

static enum step up(struct mover *m, struct flow *f)
{
	int r;

	if (f->refused || f->app_write_dead || f->app_full)
		return STEP_IDLE;
	if (f->app_flush) {
		r = edit_flush(f->edit);
		if (r == -EAGAIN) {
			f->app_full = true;
			return STEP_IDLE;
		}
		f->app_flush = false;
		if (r < 0)
			return up_failed(f, r);
	}
	if (f->edit->note->standing == KEDGE_WAITING && (f->up.data || !f->client_eof))
		return STEP_IDLE;
	if (f->up.data)
		return up_residue(f);
	if (f->client_eof)
		return up_end(f);
	if (!f->client_in || flow_outstanding(f) > KEDGE_PIPELINE_MAX)
		return STEP_IDLE;
	return up_read(m, f);
}

/* --- application to client -------------------------------------------------------------------- */

static enum step down_failed(struct flow *f)
{
	return fail(f, STEP_ABORT,
		    f->record->reason ? f->record->reason : KEDGE_REASON_client_reset);
}

/* A request waits for its answer, as far as it can: behind the last response nothing is due. */
static bool unanswered(const struct flow *f)
{
	return response_between(&f->response) && (flow_outstanding(f) || f->unsent) &&
	       !flow_is_tunnel(f) && !response_was_last(&f->response);
}

/* A refused stream is answered once the responses owed before it have gone. */
static bool refusal_due(const struct flow *f)
{
	return f->refused && !f->down.data && response_between(&f->response) &&
	       flow_outstanding(f) <= (f->edit->cut_off ? 1 : 0);
}

/* The end of the stream leaves a response incomplete. */
static bool cut_short(const struct flow *f)
{
	switch (f->response.state) {
	case RESPONSE_TO_END:
	case RESPONSE_TUNNEL:
	case RESPONSE_LOST:
		return false;
	}
	return !response_between(&f->response);
}

/* What is wrong with the client's request was there first. */
static void ends_for(struct flow *f, enum kedge_reason reason)
{
	if (!f->refused)
		f->reason = reason;
}

/* An application that ends after its client did was left by it. */
static enum kedge_reason blame(const struct flow *f, enum kedge_reason reason)
{
	return f->client_eof ? KEDGE_REASON_client_gone : reason;
}

/* Ends our direction without a close_notify, so that the client sees that bytes are missing. */
static int close_short(struct flow *f)
{
	int r = record_flush(f->record);

	if (r == 0) {
		f->reason = blame(f, KEDGE_REASON_app_reset);
		shutdown(f->record->fd, SHUT_WR);
	}
	return r;
}

static enum step down_end(struct mover *m, struct flow *f)
{
	int r;

	if (f->client_shut)
		return STEP_IDLE;
	if (refusal_due(f))
		return STEP_REPLY; /* f->reason stands */
	if (unanswered(f))
		return fail(f, STEP_REPLY,
			    f->app_bad ? KEDGE_REASON_app_response_bad
				       : blame(f, KEDGE_REASON_app_gone));
	if (f->response.state == RESPONSE_LOST)
		ends_for(f, KEDGE_REASON_app_response_lost);
	r = cut_short(f) ? close_short(f) : record_close_write(f->record);
	if (r == -EAGAIN) {
		f->client_full = true;
		return STEP_IDLE;
	}
	if (r < 0)
		return down_failed(f);
	f->client_shut = true;
	if (f->response.state == RESPONSE_TO_END && f->request_us)
		histogram_take(&m->metrics->request, *m->now_us - f->request_us, 1);
	return STEP_MOVED;
}

/* Gives the record layer p[0..n); what it does not take is kept. */
static enum step down_write(struct flow *f, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t r = record_write(f->record, p, n);

		if (r == -EAGAIN) {
			f->client_full = true;
			if (!residue_keep(&f->down, p, n))
				return fail(f, STEP_ABORT, KEDGE_REASON_no_memory);
			break;
		}
		if (r < 0)
			return down_failed(f);
		p += r;
		n -= (size_t)r;
	}
	return STEP_MOVED;
}

static enum step down_residue(struct flow *f)
{
	ssize_t r = record_write(f->record, f->down.data + f->down.off, f->down.len - f->down.off);

	if (r == -EAGAIN) {
		f->client_full = true;
		return STEP_IDLE;
	}
	if (r < 0)
		return down_failed(f);
	residue_advance(&f->down, (size_t)r);
	return STEP_MOVED;
}

/* One response of a flow has ended at `now_us`. */
struct ending {
	struct flow *flow;
	uint64_t now_us, begun_us;
};

static void log_response(void *arg, const struct response *r)
{
	struct ending *e = arg;

	access_response(e->flow->access, r->status, response_body(r), e->now_us - e->begun_us);
	e->begun_us = e->now_us;
}

/* From now on the application is what the oldest request waits for. */
static void request_begins(struct mover *m, struct flow *f)
{
	f->request_us = *m->now_us;
	TRACE_REQUEST(f, f->edit->note->requests);
}

/* What the bytes just followed did to the clock of the oldest request. */
static void take_times(struct mover *m, struct flow *f, uint32_t begun, uint32_t ended)
{
	uint64_t now = *m->now_us, since = now - f->request_us;

	if (!f->request_us)
		return; /* nobody asked */
	histogram_take(&m->metrics->first_byte, since, begun);
	histogram_take(&m->metrics->request, since, ended);
	if (!ended)
		return;
	TRACE_RESPONSE(f, f->response.status, since, ended);
	f->request_us = 0;
	if (flow_outstanding(f))
		request_begins(m, f);
}

/*
 * What came, and may be more, must not reach the client. With a request that waits, kedge answers
 * in the application's place; otherwise the connection ends, as it does when an application that is
 * idle says that it will end: 408 behind the last response.
 */
static void down_cut(struct flow *f, enum response_event event)
{
	f->app_eof = f->app_write_dead = true;
	f->app_bad = event == RESPONSE_REFUSED;
	if (f->app_bad && !flow_outstanding(f)) /* to half a head: nobody is told */
		ends_for(f, KEDGE_REASON_app_response_bad);
	else if (event == RESPONSE_STRAY)
		ends_for(f, KEDGE_REASON_app_response_lost);
	else if (event == RESPONSE_UNASKED && f->response.status != 408)
		ends_for(f, KEDGE_REASON_app_unasked);
}

/*
 * Follows the response: at m->buf are `held` bytes from before, and n. *good of them all may go on.
 * An answered upgrade is told to the editor.
 */
static enum step down_follow(struct mover *m, struct flow *f, size_t held, size_t n, size_t *good)
{
	struct ending ending = {.flow = f, .now_us = *m->now_us, .begun_us = f->request_us};
	struct response_counts counts = {.ended = f->access ? log_response : NULL, .arg = &ending};
	uint32_t done = f->response.done;
	enum response_event event =
		response_feed(&f->response, f->edit->note, (const char *)m->buf + held, n, &counts);
	bool tunnel = event == RESPONSE_SWITCHED;

	*good = counts.good;
	m->stats->responses += counts.finals;
	if (counts.finals || f->response.done != done)
		take_times(m, f, counts.finals, f->response.done - done);
	if (event == RESPONSE_QUIET)
		return STEP_MOVED;
	if (event >= RESPONSE_REFUSED) {
		down_cut(f, event);
		return STEP_MOVED;
	}
	m->stats->tunnels += tunnel;
	if (edit_resume(f->edit, tunnel) < 0)
		return fail(f, STEP_ABORT, KEDGE_REASON_internal_error);
	return STEP_MOVED;
}

/* A reset between responses is the end: an application that does not read a request to its end
 * closes like that after its answer. Elsewhere the client must be told that bytes are missing. */
static enum step down_reset(struct flow *f)
{
	if (!response_between(&f->response))
		return fail(f, STEP_ABORT, blame(f, KEDGE_REASON_app_reset));
	f->app_eof = true;
	f->app_write_dead = true;
	return STEP_MOVED;
}

/*
 * One recv() gives bytes that bypassed TCP or bytes that came by it, never both: a short one says
 * nothing about the others. Asked after the recv(): the mark is set before bytes are on their way.
 */
static bool took_both_ways(const struct flow *f)
{
	return f->app_mixed && __atomic_load_n(f->app_mixed, __ATOMIC_ACQUIRE);
}

static enum step down_read(struct mover *m, struct flow *f)
{
	const size_t held = f->response.held;
	const size_t room = m->buf_size - held;
	ssize_t n = recv(f->app_fd, m->buf + held, room, MSG_DONTWAIT);
	enum step step;
	size_t good;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		f->app_in = errno == EINTR;
		return f->app_in ? STEP_MOVED : STEP_IDLE;
	}
	if (n < 0)
		return down_reset(f);
	if (n == 0) {
		f->app_eof = true;
		return STEP_MOVED;
	}
	m->stats->bytes_down += (uint64_t)n;
	if ((size_t)n < room && !took_both_ways(f))
		f->app_in = f->app_ends;
	memcpy(m->buf, f->response.line, held);
	step = down_follow(m, f, held, (size_t)n, &good);
	return step == STEP_MOVED ? down_write(f, m->buf, good) : step;
}

static enum step down(struct mover *m, struct flow *f)
{
	int r;

	if (f->client_full)
		return STEP_IDLE;
	if (f->client_flush) {
		bool held = f->record->answer_due;

		r = record_flush(f->record);
		if (r == -EAGAIN) {
			f->client_full = true;
			return STEP_IDLE;
		}
		f->client_flush = false;
		if (r < 0)
			return down_failed(f);
		f->client_in |= held;
	}
	if (f->down.data)
		return down_residue(f);
	if (f->app_eof)
		return down_end(m, f);
	if (f->app_in)
		return down_read(m, f);
	if (!f->lost_end && !response_over(&f->response) &&
	    !(f->refused && f->response.state == RESPONSE_LOST))
		return STEP_IDLE;
	f->app_eof = f->app_write_dead = true;
	return STEP_MOVED;
}

/* --- events ----------------------------------------------------------------------------------- */

/* Urgent data cuts a recv() short as well: on a leg that has some, a short one says nothing. */
#define EVENTS_END (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)

void mover_client_event(struct flow *f, uint32_t events)
{
	f->client_ends |= !!(events & EVENTS_END);
	f->client_in |= !!(events & (EPOLLIN | EVENTS_END));
	if (events & EPOLLOUT) {
		f->client_full = false;
		f->client_flush = true;
	}
}

void mover_app_event(struct flow *f, uint32_t events)
{
	f->app_ends |= !!(events & EVENTS_END);
	f->app_in |= !!(events & (EPOLLIN | EVENTS_END));
	if (events & EPOLLOUT) {
		f->app_full = false;
		f->app_flush = true;
	}
}

/* --- both ------------------------------------------------------------------------------------- */

/* The end of the application's stream ends the flow, but of a tunnel only one direction. */
static bool ended(const struct flow *f)
{
	return f->client_shut && (f->app_shut || f->app_write_dead || !flow_is_tunnel(f));
}

static uint64_t bytes_read(const struct mover *m)
{
	return m->stats->bytes_up + m->stats->bytes_down;
}

enum mover_verdict mover_run(struct mover *m, struct flow *f)
{
	const uint64_t until = bytes_read(m) + BUFFERS_PER_TURN * m->buf_size;

	for (int round = 0; round < ROUNDS_PER_TURN; round++) {
		enum step a = up(m, f), b;

		if (!f->request_us && flow_outstanding(f))
			request_begins(m, f);
		if (a == STEP_ABORT)
			return MOVER_ABORT;
		if (refusal_due(f))
			return MOVER_REPLY;
		b = down(m, f);
		if (b == STEP_ABORT)
			return MOVER_ABORT;
		if (b == STEP_REPLY || refusal_due(f))
			return MOVER_REPLY;
		if (ended(f))
			return MOVER_END;
		if (a == STEP_IDLE && b == STEP_IDLE)
			return MOVER_WAIT;
		if (f->record->tired) {
			f->record->tired = false;
			break;
		}
		if (bytes_read(m) >= until)
			break;
	}
	return MOVER_MORE;
}

bool mover_idle(const struct flow *f)
{
	return !f->up.data && !f->down.data && response_between(&f->response) &&
	       !flow_outstanding(f) && f->edit->note->standing == KEDGE_BETWEEN;
}

bool mover_awaits_client(const struct flow *f)
{
	return !f->client_eof && !f->up.data && !f->app_full && !f->app_write_dead && !f->refused &&
	       f->edit->note->standing != KEDGE_WAITING &&
	       flow_outstanding(f) <= KEDGE_PIPELINE_MAX;
}

bool mover_awaits_answer(const struct flow *f)
{
	uint32_t requests = flow_outstanding(f);

	if (!requests || f->down.data || flow_is_tunnel(f) || !response_between(&f->response))
		return false;
	return requests > 1 || f->edit->note->standing != KEDGE_BODY || f->app_full;
}

bool mover_body_unasked(const struct flow *f)
{
	const struct response *r = &f->response;

	return flow_outstanding(f) &&
	       !(flow_outstanding(f) == 1 && (r->interim || !response_between(r))) &&
	       !memcmp(f->tail, "\r\n\r\n", sizeof(f->tail));
}

enum mover_say mover_may_say(const struct flow *f)
{
	if (f->down.data || !response_between(&f->response))
		return MOVER_SAY_RESET;
	if (response_was_last(&f->response))
		return MOVER_SAY_NOTHING;
	/* The request at fault was answered before its fault was found. */
	if (f->refused && f->edit->cut_off && !flow_outstanding(f))
		return MOVER_SAY_NOTHING;
	return MOVER_SAY_ANSWER;
}

void mover_refuse(struct flow *f, enum kedge_reason reason, bool in_body)
{
	f->refused = true;
	f->reason = reason;
	f->edit->cut_off = in_body;
}

void mover_forget(struct flow *f)
{
	residue_drop(&f->up);
	residue_drop(&f->down);
}
