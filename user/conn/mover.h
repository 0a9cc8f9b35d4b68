/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: moves the bytes of one flow in both directions once client leg and app leg are joined:
 * recv/send, half-close, back-pressure. Knows records, editors and responses, but neither timers
 * nor epoll nor how a flow came to be; conn.c does.
 *
 * I1  At most one worker buffer of a flow's bytes is kept per direction (struct residue); while it
 *     is, nothing more is read from the side it came from. So memory per flow is bounded.
 * I2  Legs are edge-triggered: `*_in` stays set until a read said -EAGAIN, or gave less than was
 *     asked for where that means the same (all but a bypassed app leg on which both ways have been
 *     taken); `*_full` until EPOLLOUT.
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
	MOVER_END,   /* both directions ended; flow->reason if not as they should have */
	MOVER_REPLY, /* kedge must answer the client itself (flow->reason) and end */
	MOVER_ABORT, /* flow->reason: reset both legs */
};

/* What an event (EPOLL*) says of a leg; it may come before the legs are joined. */
void mover_client_event(struct flow *f, uint32_t events);
void mover_app_event(struct flow *f, uint32_t events);

enum mover_verdict mover_run(struct mover *m, struct flow *f);

/* True when nothing is under way in either direction: a good moment to end the flow. */
bool mover_idle(const struct flow *f);

/* How the client can be told why its flow ends. */
enum mover_say {
	MOVER_SAY_ANSWER,  /* by an answer of kedge's own, which the client waits for next */
	MOVER_SAY_NOTHING, /* the connection ends in order, between two responses */
	MOVER_SAY_RESET,   /* amid a response: a reset tells that bytes are missing */
};
enum mover_say mover_may_say(const struct flow *f);

/*
 * The client is at fault, within the body of the last request (in_body), or before its head was
 * whole: nothing more is read from it, and MOVER_REPLY comes once the responses owed before have
 * gone. Call mover_run().
 */
void mover_refuse(struct flow *f, enum kedge_reason reason, bool in_body);

/* True when the next thing the flow needs for its requests are bytes of the client. */
bool mover_awaits_client(const struct flow *f);

/*
 * True when the next thing that the client waits for is an answer of the application, which has all
 * that it needs for it, or does not take it.
 */
bool mover_awaits_answer(const struct flow *f);

/*
 * KEDGE_BODY: has the client a reason to wait with it? Nothing of it has come, and nobody has said
 * 100: with "Expect: 100-continue" it may wait for that.
 */
bool mover_body_unasked(const struct flow *f);

/* Frees what is kept. */
void mover_forget(struct flow *f);
