/* SPDX-License-Identifier: BSD-2-Clause */
/* From the application to the client: reads, follows the response, writes, passes the end on. */
#include "conn/mover_down.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/trace.h"
#include "conn/mover_lease.h"

_Static_assert(RESPONSE_CLASSES == METRICS_CLASSES, "the same classes of statuses");

static enum mover_step down_failed(struct flow *f)
{
	return mover_fail(f, STEP_ABORT, record_death(f->record));
}

/* A request waits for its answer. Behind the last response none is due. */
static bool unanswered(const struct flow *f)
{
	return response_between(&f->leg->response) && (flow_outstanding(f) || f->unsent) &&
	       !flow_is_tunnel(f) && !response_was_last(&f->leg->response);
}

/* The end of the stream leaves a response incomplete. */
static bool cut_short(const struct flow *f)
{
	switch (f->leg->response.state) {
	case RESPONSE_TO_END:
	case RESPONSE_TUNNEL:
	case RESPONSE_LOST:
		return false;
	}
	return !response_between(&f->leg->response);
}

/* A fault of the client's request came first. */
static void ends_for(struct flow *f, enum kedge_reason reason)
{
	if (!f->refused)
		f->reason = reason;
}

/* If the client ended first, it left the application. */
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

static enum mover_step down_end(struct mover *m, struct flow *f)
{
	int r;

	if (f->client_shut)
		return STEP_IDLE;
	if (mover_refusal_due(f))
		return STEP_REPLY; /* with the reason that f has */
	if (f->reuses && lease_survives(m, f))
		return STEP_PART;
	if (unanswered(f))
		return mover_fail(f, STEP_REPLY,
				  f->leg->bad ? KEDGE_REASON_app_response_bad
					      : blame(f, KEDGE_REASON_app_gone));
	if (f->leg->response.state == RESPONSE_LOST)
		ends_for(f, KEDGE_REASON_app_response_lost);
	r = cut_short(f) ? close_short(f) : record_close_write(f->record);
	if (r == -EAGAIN) {
		f->client_full = true;
		return STEP_IDLE;
	}
	if (r < 0)
		return down_failed(f);
	f->client_shut = true;
	if (f->leg->response.state == RESPONSE_TO_END && f->request_us)
		histogram_take(&m->metrics->request, *m->now_us - f->request_us, 1);
	return STEP_MOVED;
}

/* Gives the record layer p[0..n); what it does not take is kept. */
static enum mover_step down_write(struct flow *f, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t r = record_write(f->record, p, n);

		if (r == -EAGAIN) {
			f->client_full = true;
			if (!residue_keep(&f->down, p, n))
				return mover_fail(f, STEP_ABORT, KEDGE_REASON_no_memory);
			break;
		}
		if (r < 0)
			return down_failed(f);
		p += r;
		n -= (size_t)r;
	}
	return STEP_MOVED;
}

static enum mover_step down_residue(struct flow *f)
{
	ssize_t r = flow_offer_kept(f);

	if (r == -EAGAIN) {
		f->client_full = true;
		return STEP_IDLE;
	}
	return r < 0 ? down_failed(f) : STEP_MOVED;
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

void mover_request_begins(struct mover *m, struct flow *f)
{
	f->request_us = *m->now_us;
	TRACE_REQUEST(f, f->leg->edit->note->requests);
}

/* Some responses have begun or ended: sets the clock of the oldest request. */
static void take_times(struct mover *m, struct flow *f, uint32_t begun, uint32_t ended)
{
	uint64_t now = *m->now_us, since = now - f->request_us;

	if (ended)
		f->leg->served_us = now;
	if (!f->request_us)
		return; /* there was no request */
	histogram_take(&m->metrics->first_byte, since, begun);
	histogram_take(&m->metrics->request, since, ended);
	if (!ended)
		return;
	TRACE_RESPONSE(f, f->leg->response.status, since, ended);
	f->request_us = 0;
	if (flow_outstanding(f))
		mover_request_begins(m, f);
}

/*
 * What came, and whatever follows it, must not reach the client. If a request waits, kedge answers
 * it instead of the application. Otherwise the connection ends; so it does after a 408 behind the
 * last response, by which an idle application says that it ends.
 */
static void down_cut(struct flow *f, enum response_event event)
{
	f->leg->eof = f->leg->write_dead = true;
	f->leg->bad = event == RESPONSE_REFUSED;
	if (f->leg->bad && !flow_outstanding(f)) /* to half a head: the client is not told */
		ends_for(f, KEDGE_REASON_app_response_bad);
	else if (event == RESPONSE_STRAY)
		ends_for(f, KEDGE_REASON_app_response_lost);
	else if (event == RESPONSE_UNASKED && f->leg->response.status != 408)
		ends_for(f, KEDGE_REASON_app_unasked);
}

/*
 * The last request is not all with the application: some of it waits here for room. If that is a
 * body, the application may take it for another request.
 */
static bool answered_early(const struct flow *f)
{
	const struct response *r = &f->leg->response;
	uint32_t its_own = response_between(r) ? 0 : 1;

	return f->leg->edit->holds && flow_outstanding(f) == its_own;
}

/* Nothing of another request has been read, so this response can be the client's last. */
static bool may_close(const struct mover *m, const struct flow *f)
{
	return m->closing && !residue_any(&f->up) && !f->leg->edit->holds && !f->refused;
}

static size_t say_room(const struct mover *m)
{
	return m->closing ? RESPONSE_CLOSE_LEN : 0;
}

/* Adds RESPONSE_CLOSE to p[0..*good), where there is room for it. */
static void say_close(uint8_t *p, size_t *good, size_t at)
{
	assert(at <= *good);
	memmove(p + at + RESPONSE_CLOSE_LEN, p + at, *good - at);
	memcpy(p + at, RESPONSE_CLOSE, RESPONSE_CLOSE_LEN);
	*good += RESPONSE_CLOSE_LEN;
}

/*
 * Follows the response: at m->buf are `held` bytes from before, and n new ones, and, if clients are
 * told to go, there is room for RESPONSE_CLOSE. The first *good bytes may go on, with what kedge
 * adds. The editor is told of an answered upgrade.
 */
static enum mover_step down_follow(struct mover *m, struct flow *f, size_t held, size_t n,
				   size_t *good)
{
	struct ending ending = {.flow = f, .now_us = *m->now_us, .begun_us = f->request_us};
	struct response_counts counts = {.ended = f->access ? log_response : NULL,
					 .arg = &ending,
					 .closing = may_close(m, f)};
	uint32_t done = f->leg->response.done;
	enum response_event event = response_feed(&f->leg->response, f->leg->edit->note,
						  (const char *)m->buf + held, n, &counts);
	bool tunnel = event == RESPONSE_SWITCHED;

	*good = counts.good;
	if (counts.say_at) {
		say_close(m->buf, good, counts.say_at);
		m->stats->closes_told++;
	}
	f->leg->response.doubtful |= counts.finals && answered_early(f);
	m->stats->responses += counts.finals;
	for (size_t i = 0; counts.finals && m->listener && i < METRICS_CLASSES; i++)
		m->listener->responses[i] += counts.classes[i];
	if (counts.finals || f->leg->response.done != done)
		take_times(m, f, counts.finals, f->leg->response.done - done);
	if (event == RESPONSE_QUIET)
		return STEP_MOVED;
	if (event >= RESPONSE_REFUSED) {
		down_cut(f, event);
		return STEP_MOVED;
	}
	m->stats->tunnels += tunnel;
	if (edit_resume(f->leg->edit, tunnel) < 0)
		return mover_fail(f, STEP_ABORT, KEDGE_REASON_internal_error);
	return STEP_MOVED;
}

/*
 * A reset between responses is an end: an application that does not read all of a request closes
 * like that after its answer. Elsewhere the client must be told that bytes are missing.
 */
static enum mover_step down_reset(struct flow *f)
{
	if (!response_between(&f->leg->response))
		return mover_fail(f, STEP_ABORT, blame(f, KEDGE_REASON_app_reset));
	f->leg->eof = true;
	f->leg->write_dead = true;
	return STEP_MOVED;
}

/*
 * One recv() gives bytes that bypassed TCP or bytes that came by it, never both. So a short one
 * says nothing about the others. Call it after the recv(): the mark is set before bytes are on
 * their way.
 */
static bool took_both_ways(const struct flow *f)
{
	return f->leg->mixed && __atomic_load_n(f->leg->mixed, __ATOMIC_ACQUIRE);
}

/* A read or a splice gave n: no byte. */
static enum mover_step down_nothing(struct flow *f, ssize_t n)
{
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		f->leg->in = errno == EINTR;
		return f->leg->in ? STEP_MOVED : STEP_IDLE;
	}
	f->leg->reset |= n < 0;
	if (f->leg->reset)
		return down_reset(f);
	f->leg->eof = true;
	return STEP_MOVED;
}

static enum mover_step down_read(struct mover *m, struct flow *f)
{
	const size_t held = f->leg->response.held;
	const size_t room = m->buf_size - held - say_room(m);
	ssize_t n = recv(f->leg->fd, m->buf + held, room, MSG_DONTWAIT);
	enum mover_step step;
	size_t good;

	if (n <= 0)
		return down_nothing(f, n);
	m->stats->bytes_down += (uint64_t)n;
	lease_forget(f);
	if ((size_t)n < room && !took_both_ways(f))
		f->leg->in = f->leg->ends;
	memcpy(m->buf, f->leg->response.line, held);
	step = down_follow(m, f, held, (size_t)n, &good);
	return step == STEP_MOVED ? down_write(f, m->buf, good) : step;
}

/* The body of a response goes by a pipe, no byte behind it. */
static bool down_splices(const struct flow *f)
{
	return f->splices && !f->leg->urgent && response_body_rest(&f->leg->response) &&
	       f->leg->response.head.length >= MOVER_SPLICE_LEAST;
}

/* The follower is told of bytes that it does not see. */
static void down_skip(struct mover *m, struct flow *f, size_t n)
{
	struct ending ending = {.flow = f, .now_us = *m->now_us, .begun_us = f->request_us};
	struct response_counts counts = {.ended = f->access ? log_response : NULL, .arg = &ending};
	uint32_t done = f->leg->response.done;

	response_skip(&f->leg->response, n, &counts);
	if (f->leg->response.done != done)
		take_times(m, f, 0, f->leg->response.done - done);
}

/* Reads into an empty pipe: -EAGAIN is the socket's. A short read says nothing. */
static enum mover_step down_splice(struct mover *m, struct flow *f)
{
	uint64_t rest = response_body_rest(&f->leg->response);
	size_t most = rest < m->buf_size ? (size_t)rest : m->buf_size;
	struct pipe *pipe = pipes_take(&m->pipes);
	ssize_t n;

	if (!pipe) {
		m->stats->splice_no_pipe++;
		return down_read(m, f);
	}
	n = splice(f->leg->fd, NULL, pipe->write_fd, NULL, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n <= 0) {
		int err = errno;

		pipe_unused(pipe, n < 0 && err != EAGAIN && err != EINTR);
		errno = err;
		return down_nothing(f, n);
	}
	m->stats->bytes_down += (uint64_t)n;
	m->stats->splice_down_bytes += (uint64_t)n;
	residue_pipe(&f->down, pipe, (size_t)n);
	down_skip(m, f, (size_t)n);
	return down_residue(f);
}

static enum mover_step down_take(struct mover *m, struct flow *f)
{
	if (!f->leg->in)
		return STEP_IDLE;
	return down_splices(f) ? down_splice(m, f) : down_read(m, f);
}

enum mover_step mover_down(struct mover *m, struct flow *f)
{
	enum mover_step step;
	int r;

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
		if (held) { /* reads gave nothing until now, and no event tells of them */
			f->client_in = true;
			return STEP_MOVED;
		}
	}
	if (residue_any(&f->down))
		return down_residue(f);
	if (f->leg->eof)
		return down_end(m, f);
	step = down_take(m, f);
	/* Also if nothing was there to read: no event may come any more. */
	if (step != STEP_IDLE || !mover_down_is_cut(f))
		return step;
	f->leg->eof = f->leg->write_dead = true;
	return STEP_MOVED;
}
