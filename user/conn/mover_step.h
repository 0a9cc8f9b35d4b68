/* SPDX-License-Identifier: BSD-2-Clause */
/* mover*.c only: what one step in one direction of a flow has done. */
#pragma once

#include "conn/flow.h"

enum mover_step {
	STEP_IDLE,  /* this direction can do nothing now */
	STEP_MOVED, /* call again */
	STEP_PART,  /* as the verdicts of mover.h */
	STEP_REPLY,
	STEP_ABORT,
};

/*
 * A shorter body is copied. Most of it comes with its head, and a copy takes fewer system calls
 * than a splice.
 */
#define MOVER_SPLICE_LEAST 65536

static inline enum mover_step mover_fail(struct flow *f, enum mover_step how,
					 enum kedge_reason reason)
{
	f->reason = reason;
	return how;
}
