/* SPDX-License-Identifier: BSD-2-Clause */
/* Moves the bytes of a flow: events, and rounds of both directions. See mover.h. */
#include "conn/mover.h"

#include <sys/epoll.h>

#include "base/check.h"
#include "conn/flow_check.h"
#include "conn/mover_down.h"
#include "conn/mover_lease.h"
#include "conn/mover_up.h"

/* Rounds of both directions before other flows get their turn. */
#define ROUNDS_PER_TURN  16
/*
 * And as many full buffers: bytes that are read one by one, as chunks of one byte are, take time.
 */
#define BUFFERS_PER_TURN 2

/* --- events ----------------------------------------------------------------------------------- */

/* Urgent data cuts a recv() short as well: on a leg that has some, a short one says nothing. */
#define EVENTS_END (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)

void mover_client_event(struct flow *f, uint32_t events)
{
	f->client_ends |= !!(events & EVENTS_END);
	f->client_urgent |= !!(events & EPOLLPRI);
	f->client_in |= !!(events & (EPOLLIN | EVENTS_END));
	if (events & EPOLLOUT) {
		f->client_full = false;
		f->client_flush = true;
	}
}

void mover_app_event(struct flow *f, uint32_t events)
{
	f->leg->ends |= !!(events & EVENTS_END);
	f->leg->urgent |= !!(events & EPOLLPRI);
	f->leg->in |= !!(events & (EPOLLIN | EVENTS_END));
	if (events & EPOLLOUT) {
		f->leg->full = false;
		f->leg->flush = true;
	}
}

/* --- both ------------------------------------------------------------------------------------- */

/* The end of the application's stream ends the flow, but of a tunnel only one direction. */
static bool ended(const struct flow *f)
{
	return f->client_shut && (f->leg->shut || f->leg->write_dead || !flow_is_tunnel(f));
}

static uint64_t bytes_read(const struct mover *m)
{
	return m->stats->bytes_up + m->stats->bytes_down;
}

static enum mover_verdict rounds(struct mover *m, struct flow *f)
{
	const uint64_t until = bytes_read(m) + BUFFERS_PER_TURN * m->buf_size;

	for (int round = 0; round < ROUNDS_PER_TURN; round++) {
		enum mover_step a = mover_up_may(f) ? mover_up(m, f) : STEP_IDLE, b;

		if (!f->request_us && flow_outstanding(f))
			mover_request_begins(m, f);
		if (a == STEP_ABORT)
			return MOVER_ABORT;
		if (a == STEP_PART)
			return MOVER_PART;
		if (mover_refusal_due(f))
			return MOVER_REPLY;
		b = mover_down_may(f) ? mover_down(m, f) : STEP_IDLE;
		if (b == STEP_ABORT)
			return MOVER_ABORT;
		if (b == STEP_PART)
			return MOVER_PART;
		if (b == STEP_REPLY || mover_refusal_due(f))
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

enum mover_verdict mover_run(struct mover *m, struct flow *f)
{
	enum mover_verdict verdict = rounds(m, f);

	if (verdict == MOVER_WAIT && lease_doubted(f)) {
		m->stats->legs_doubted++;
		return MOVER_PART;
	}
	if (verdict != MOVER_ABORT) /* it is closed, whatever it looks like */
		CHECKED(flow_check(f));
	if (verdict == MOVER_WAIT)
		CHECKED(flow_check_waits(f));
	return verdict;
}

void mover_refuse(struct flow *f, enum kedge_reason reason, bool in_body)
{
	f->refused = true;
	f->reason = reason;
	f->leg->edit->cut_off = in_body;
}

void mover_forget(struct flow *f)
{
	residue_drop(&f->up);
	residue_drop(&f->down);
	sent_drop(&f->sent);
}
