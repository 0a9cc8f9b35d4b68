/* SPDX-License-Identifier: BSD-2-Clause */
/* What a flow waits for, and what may be said to its client. */
#include "conn/mover_ask.h"

#include <string.h>

bool mover_served(const struct flow *f)
{
	return !residue_any(&f->up) && !residue_any(&f->down) &&
	       response_between(&f->leg->response) && !flow_outstanding(f) &&
	       f->leg->edit->note->standing == KEDGE_BETWEEN;
}

bool mover_idle(const struct flow *f)
{
	return mover_served(f) && !f->leg->edit->holds;
}

bool mover_awaits_client(const struct flow *f)
{
	return !f->client_eof && !residue_any(&f->up) && !f->leg->full && !f->leg->write_dead &&
	       !f->refused && f->leg->edit->note->standing != KEDGE_WAITING &&
	       flow_outstanding(f) <= KEDGE_PIPELINE_MAX;
}

bool mover_awaits_answer(const struct flow *f)
{
	uint32_t requests = flow_outstanding(f);

	if (!requests || residue_any(&f->down) || flow_is_tunnel(f) ||
	    !response_between(&f->leg->response))
		return false;
	return requests > 1 || f->leg->edit->note->standing != KEDGE_BODY || f->leg->full;
}

bool mover_body_unasked(const struct flow *f)
{
	const struct response *r = &f->leg->response;

	return flow_outstanding(f) &&
	       !(flow_outstanding(f) == 1 && (r->interim || !response_between(r))) &&
	       !memcmp(f->tail, "\r\n\r\n", sizeof(f->tail));
}

enum mover_say mover_may_say(const struct flow *f)
{
	if (residue_any(&f->down) || !response_between(&f->leg->response))
		return MOVER_SAY_RESET;
	if (response_was_last(&f->leg->response))
		return MOVER_SAY_NOTHING;
	/* The request at fault was answered before its fault was found. */
	if (f->refused && f->leg->edit->cut_off && !flow_outstanding(f))
		return MOVER_SAY_NOTHING;
	return MOVER_SAY_ANSWER;
}
