/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: moves the bytes of one flow in both directions once client leg and app leg are joined:
 * recv/send, half-close, back-pressure. It knows records, editors and responses. It does not know
 * timers, epoll, or how a flow began: conn.c does. mover_up.c and mover_down.c are its two
 * directions; mover_ask.c answers questions about a flow.
 *
 * I1  At most one worker buffer of a flow's bytes is kept per direction (struct residue). While it
 *     is, nothing more is read from the side it came from. So memory per flow is bounded.
 * I2  Legs are edge-triggered. `*_in` stays set until a read returned -EAGAIN, or less than was
 *     asked for if that means the same (always, except on a bypassed app leg that took bytes both
 *     ways). `*_full` stays set until EPOLLOUT.
 * I3  No client byte is read while the last request waits for the answer to its upgrade.
 * I4  A request stream that ended in the middle of a message is never half-closed towards the
 *     application: the flow is aborted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "conn/flow.h"

enum mover_verdict {
	MOVER_WAIT,  /* until the next event */
	MOVER_MORE,  /* its share of this turn is used up: call again in the next one */
	MOVER_PART,  /* the leg is of no more use: close it, and go on with another when there is
		      * something for it, in flow->up or from the client */
	MOVER_END,   /* both directions ended; flow->reason if not as they should have */
	MOVER_REPLY, /* kedge must answer the client itself (flow->reason) and end */
	MOVER_ABORT, /* flow->reason: reset both legs */
};

/* What an event (EPOLL*) says of a leg; it may come before the legs are joined. */
void mover_client_event(struct flow *f, uint32_t events);
void mover_app_event(struct flow *f, uint32_t events);

enum mover_verdict mover_run(struct mover *m, struct flow *f);

/*
 * The client is at fault, within the body of the last request (in_body), or before its head was
 * whole. Nothing more is read from it, and MOVER_REPLY comes once the responses owed before have
 * gone. Call mover_run().
 */
void mover_refuse(struct flow *f, enum kedge_reason reason, bool in_body);

/* Frees what is kept. */
void mover_forget(struct flow *f);
