/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what the file of a state says of its connection: it stays, or it goes to another
 * state. Only conn.c carries a verdict out. conn.h has the table of the states.
 */
#pragma once

#include <stdint.h>

#include "kedge/abi.h"

/* In the order of a connection. */
enum conn_state {
	CONN_ACCEPTED,
	CONN_PREFIX,
	CONN_HANDSHAKE,
	CONN_IDLE,
	CONN_CONNECT,
	CONN_MOVE,
	CONN_REPLY,
	CONN_LINGER,
	CONN_CLOSED,
	CONN_STAY, /* in a verdict only */
};

/* How it goes there. */
enum conn_how {
	/* Nothing is cut. REPLY: our direction ends behind what is kept for the client. CLOSED: the
	 * sockets are closed as they are. */
	CONN_ORDERLY,
	/* REPLY: kedge answers the client itself. The application's leg is reset. */
	CONN_ANSWER,
	/* REPLY: the client gets no answer, and the application's leg is reset. CLOSED: both legs
	 * are reset, so that nobody takes what is unfinished for finished. */
	CONN_CUT,
	/* LINGER: the client's last word is a TLS alert, which a reset would overtake. The
	 * application's leg is reset if it was joined. */
	CONN_ALERT,
};

struct conn_verdict {
	uint8_t next;    /* enum conn_state */
	uint8_t how;     /* enum conn_how */
	uint16_t reason; /* enum kedge_reason: what it counts as; NONE: nothing */
};

static inline struct conn_verdict verdict_of(enum conn_state next, enum conn_how how,
					     enum kedge_reason reason)
{
	return (struct conn_verdict){
		.next = (uint8_t)next, .how = (uint8_t)how, .reason = (uint16_t)reason};
}

static inline struct conn_verdict verdict_stay(void)
{
	return verdict_of(CONN_STAY, CONN_ORDERLY, KEDGE_REASON_NONE);
}

static inline struct conn_verdict verdict_next(enum conn_state next)
{
	return verdict_of(next, CONN_ORDERLY, KEDGE_REASON_NONE);
}

/* Ends our direction of the client leg, with nothing more to say. */
static inline struct conn_verdict verdict_finish(enum kedge_reason reason)
{
	return verdict_of(CONN_REPLY, CONN_ORDERLY, reason);
}

/* Resets both legs. */
static inline struct conn_verdict verdict_reset(enum kedge_reason reason)
{
	return verdict_of(CONN_CLOSED, CONN_CUT, reason);
}
