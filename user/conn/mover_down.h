/* SPDX-License-Identifier: BSD-2-Clause */
/* mover.c only: one direction of a flow: from the application to the client. */
#pragma once

#include "conn/mover_step.h"

/* Nothing more of the application may go on to the client. */
static inline bool mover_down_is_cut(const struct flow *f)
{
	return f->lost_end || response_over(&f->leg->response) ||
	       ((f->refused || f->leg->dropped) && f->leg->response.state == RESPONSE_LOST);
}

/* False: nothing can be done now. Inline, since most rounds of the mover are over here. */
static inline bool mover_down_may(const struct flow *f)
{
	return !f->client_full && (f->leg->in || f->leg->eof || f->client_flush ||
				   residue_any(&f->down) || mover_down_is_cut(f));
}

/* One step, after mover_down_may(). */
enum mover_step mover_down(struct mover *m, struct flow *f);

/* A refused stream is answered once the responses owed before it have gone. */
static inline bool mover_refusal_due(const struct flow *f)
{
	return f->refused && !residue_any(&f->down) && response_between(&f->leg->response) &&
	       flow_outstanding(f) <= (f->leg->edit->cut_off ? 1 : 0);
}

/* From now on the oldest request waits for the application. */
void mover_request_begins(struct mover *m, struct flow *f);
