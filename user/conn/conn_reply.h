/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_*.c only: REPLY: kedge's own answer to a client, and the end of our direction. */
#pragma once

#include <stdbool.h>

#include "conn/types.h"
#include "conn/verdict.h"

/* True if kedge's own answer to this reason can be the next thing that the client gets. */
bool conn_may_answer(const struct conn *c, enum kedge_reason reason);

/*
 * Ends the connection for this reason, and tells the client as well as it can be told: with an
 * answer of kedge's own, by the end of the connection, or by a reset (in mode tcp, and within a
 * response).
 */
struct conn_verdict conn_tell(const struct conn *c, enum kedge_reason reason);

struct conn_verdict conn_reply_enter(struct conn *c, enum conn_how how, enum kedge_reason reason);
/* Goes on when there is room. */
struct conn_verdict conn_reply_run(struct conn *c);
struct conn_verdict conn_reply_expired(struct conn *c);
