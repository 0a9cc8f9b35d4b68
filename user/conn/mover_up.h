/* SPDX-License-Identifier: BSD-2-Clause */
/* mover.c only: one direction of a flow: from the client to the application. */
#pragma once

#include "conn/mover_step.h"

/* False: nothing can be done now. Inline, since most rounds of the mover are over here. */
static inline bool mover_up_may(const struct flow *f)
{
	return !f->refused && !f->leg->write_dead && !f->leg->full &&
	       (f->client_in || f->client_eof || f->leg->flush || residue_any(&f->up));
}

/*
 * Reads up to max bytes from the client to m->buf. Returns as record_read() does. flow->client_eof
 * and flow->client_in follow.
 */
ssize_t mover_take(struct mover *m, struct flow *f, size_t max);

/* One step, after mover_up_may(). */
enum mover_step mover_up(struct mover *m, struct flow *f);
