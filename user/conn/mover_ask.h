/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: questions about a joined flow: what it waits for, what its client may be told. */
#pragma once

#include "conn/flow.h"

/* True if the client has the answers to all requests that came from it, and none is begun. */
bool mover_served(const struct flow *f);

/* And the application has all of these requests: a good moment to end the flow. */
bool mover_idle(const struct flow *f);

/* How the client can be told why its flow ends. */
enum mover_say {
	MOVER_SAY_ANSWER,  /* by an answer of kedge's own, which the client waits for next */
	MOVER_SAY_NOTHING, /* the connection ends in order, between two responses */
	MOVER_SAY_RESET,   /* within a response: a reset tells that bytes are missing */
};
enum mover_say mover_may_say(const struct flow *f);

/* True if the flow needs bytes of the client next, for its requests. */
bool mover_awaits_client(const struct flow *f);

/*
 * True if the client waits for an answer of the application next, and the application has all that
 * it needs for it, or does not take it.
 */
bool mover_awaits_answer(const struct flow *f);

/*
 * KEDGE_BODY: true if the client may hold the body back: nothing of it has come, and nobody has
 * said 100. With "Expect: 100-continue" the client may wait for that.
 */
bool mover_body_unasked(const struct flow *f);
