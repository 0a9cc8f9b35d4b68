/* SPDX-License-Identifier: BSD-2-Clause */
/* mover.c only: one direction of a flow: from the client to the application. */
#pragma once

#include "conn/mover_step.h"

/* False: nothing can be done now. Inline, since most rounds of the mover are over here. */
static inline bool mover_up_may(const struct flow *f)
{
	return !f->refused && !f->app_write_dead && !f->app_full &&
	       (f->client_in || f->client_eof || f->app_flush || residue_any(&f->up));
}

/* One step, after mover_up_may(). */
enum mover_step mover_up(struct mover *m, struct flow *f);
