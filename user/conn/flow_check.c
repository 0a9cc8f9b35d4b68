/* SPDX-License-Identifier: BSD-2-Clause */
/* What must hold of a flow. See flow_check.h. */
#include "conn/flow_check.h"

#ifdef KEDGE_CHECKS
#include "base/check.h"
#include "conn/mover_down.h"
#include "conn/mover_up.h"
#include "http/http1_check.h"

static void residue_check(const struct residue *r)
{
	CHECK(r, !r->data == !r->len);
	CHECK_IF(r, r->data, r->off < r->len);
	CHECK_IF(r, !r->data, !r->off);
}

/* What an editor and a response follower say of the same requests. */
static void joined_check(const struct flow *f)
{
	const struct edit *e = f->edit;

	CHECK(f, e->ops && e->note);
	CHECK(f, e->fd == f->app_fd);
	note_check(e->note);
	/* Else the ring of HEAD bits has lapped. */
	CHECK(f, flow_outstanding(f) <= KEDGE_PIPELINE_MAX + KEDGE_SEND_HEADS_MAX);
	CHECK_IF(f, e->note->standing == KEDGE_WAITING, flow_outstanding(f));
	CHECK_IF(f, e->note->standing == KEDGE_REFUSED, f->refused || f->app_write_dead);
	CHECK_IF(f, f->app_shut, f->client_eof);
	CHECK_IF(f, f->up.data, !f->refused && !f->app_write_dead);
}

void flow_check(const struct flow *f)
{
	residue_check(&f->up);
	residue_check(&f->down);
	response_check(&f->response);
	CHECK(f, f->reason < KEDGE_REASON_COUNT);
	CHECK(f, f->first_len <= sizeof(f->first));
	CHECK_IF(f, f->refused, f->reason != KEDGE_REASON_NONE);
	CHECK_IF(f, f->app_bad, f->app_eof);
	CHECK_IF(f, f->unsent, f->app_write_dead);
	CHECK_IF(f, f->edit, f->record && f->app_fd >= 0);
	CHECK_IF(f, f->access, f->edit);
	if (f->edit)
		joined_check(f);
}

/* Each direction is idle, or its next step waits for an edge that tells. */
void flow_check_waits(const struct flow *f)
{
	CHECK_IF(f, f->down.data, f->client_full);
	CHECK_IF(f, f->up.data,
		 f->app_full || f->edit->note->standing == KEDGE_WAITING ||
			 flow_outstanding(f) > KEDGE_PIPELINE_MAX);
	CHECK_IF(f, mover_down_may(f), f->client_shut); /* of a tunnel, one direction has ended */
	CHECK_IF(f, mover_up_may(f),
		 f->edit->note->standing == KEDGE_WAITING ||
			 flow_outstanding(f) > KEDGE_PIPELINE_MAX ||
			 (f->client_eof && f->app_shut) || f->record->answer_due);
	CHECK(f, !f->request_us == !flow_outstanding(f));
}
#endif
