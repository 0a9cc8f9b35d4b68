/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_connect.c only: joins the client leg and the application's leg to a flow. */
#pragma once

#include "conn/types.h"
#include "conn/verdict.h"

/* Begins the access log of a connection. Without memory for it the flow is not logged. */
void conn_access_begin(struct conn *c);

/*
 * CONNECT: the application has answered, one way or the other. Stays while the header for it waits
 * for room in the socket: call it again with the next event of the leg.
 */
struct conn_verdict conn_join(struct conn *c);

/* CONNECT: the leg comes from the pool, and has served others. */
struct conn_verdict conn_join_idle(struct conn *c);
