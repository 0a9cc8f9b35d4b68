/* SPDX-License-Identifier: BSD-2-Clause */
/* What must hold of a flow. See flow_check.h. */
#include "conn/flow_check.h"

#ifdef KEDGE_CHECKS
#include "base/check.h"
#include "conn/mover_lease.h"
#include "http/http1_check.h"

static void residue_check(const struct residue *r)
{
	CHECK(r, !residue_any(r) == !r->len);
	CHECK_IF(r, residue_any(r), r->off < r->len);
	CHECK_IF(r, !residue_any(r), !r->off);
	CHECK(r, !r->data || !r->pipe);
}

/* What an editor and a response follower say of the same requests. */
static void joined_check(const struct flow *f)
{
	const struct edit *e = f->leg->edit;

	CHECK(f, f->record && f->leg->fd >= 0);
	response_check(&f->leg->response);
	CHECK_IF(f, f->leg->bad, f->leg->eof);
	CHECK_IF(f, f->unsent, f->leg->write_dead);
	CHECK(f, e->ops && e->note);
	CHECK(f, e->fd == f->leg->fd);
	note_check(e->note);
	/* Else the ring of HEAD bits has lapped. */
	CHECK(f, flow_outstanding(f) <= KEDGE_PIPELINE_MAX + KEDGE_SEND_HEADS_MAX);
	/* If more came behind its answer, nobody resumes it. */
	CHECK_IF(f, e->note->standing == KEDGE_WAITING, flow_outstanding(f) || f->leg->eof);
	/* The mover learns it when it offers the kept bytes again. */
	CHECK_IF(f, e->note->standing == KEDGE_REFUSED,
		 f->refused || f->leg->write_dead || residue_any(&f->up));
	CHECK_IF(f, f->leg->shut, f->client_eof);
	/* No byte behind the body is taken for one of it. */
	CHECK_IF(f, f->up_rest && !f->leg->write_dead,
		 f->splices && f->up_asked == e->note->requests &&
			 (e->note->standing == KEDGE_BODY || e->note->standing == KEDGE_REFUSED));
	CHECK_IF(f, f->up.data, !f->refused);
}

void flow_check(const struct flow *f)
{
	residue_check(&f->up);
	residue_check(&f->down);
	CHECK(f, f->reason < KEDGE_REASON_COUNT);
	CHECK(f, f->first_len <= sizeof(f->first));
	CHECK_IF(f, f->refused, f->reason != KEDGE_REASON_NONE);
	CHECK(f, f->sent.len <= f->sent.size && f->sent.size <= LEASE_KEPT_MAX);
	CHECK_IF(f, f->sent.len, f->sent.data);
	if (flow_is_joined(f))
		joined_check(f);
}

/* Nothing is to be done for the client that could be done now. Not by the mover's own questions. */
static void down_waits_check(const struct flow *f)
{
	bool may = !f->client_full && !f->client_shut;

	CHECK_IF(f, f->down.data, f->client_full);
	CHECK_IF(f, may, !f->leg->in && !f->leg->eof && !f->client_flush);
	/* What cannot be followed, or was the last, ends the connection. */
	CHECK_IF(f, may && (f->lost_end || f->leg->response.over), f->leg->eof);
	CHECK_IF(f,
		 may && (f->refused || f->leg->dropped) && f->leg->response.state == RESPONSE_LOST,
		 f->leg->eof);
}

/* The same for the application. */
static void up_waits_check(const struct flow *f)
{
	uint8_t standing = f->leg->edit->note->standing;
	bool full = f->leg->full || flow_outstanding(f) > KEDGE_PIPELINE_MAX;
	bool may = !full && standing != KEDGE_WAITING && !f->refused && !f->leg->write_dead;

	CHECK_IF(f, may, !residue_any(&f->up) && !f->leg->flush);
	CHECK_IF(f, may && f->client_in && !f->client_eof, f->record->answer_due);
	CHECK_IF(f, may && f->client_eof, f->leg->shut);
}

void flow_check_waits(const struct flow *f)
{
	down_waits_check(f);
	up_waits_check(f);
	CHECK(f, !f->request_us == !flow_outstanding(f));
}
#endif
