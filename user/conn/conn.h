/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: a connection from accept to close. The file of a state never changes the state. Its
 * functions return a verdict (verdict.h), and one function of conn.c carries it out.
 *
 *   state      entered when               waits for            file            deadline
 *   ACCEPTED   accept(2) gave it          nothing              conn.c          -
 *   PREFIX     the listener reads         the PROXY prefix     conn_open.c     prefix-timeout
 *              prefixes
 *   HANDSHAKE  on a TLS listener, the     the TLS handshake    conn_open.c     handshake-
 *              client is known                                                 timeout
 *   IDLE       the client leg is ready;   the client's next    conn_idle.c     idle-timeout
 *              or MOVE gives its leg up   request
 *   CONNECT    a request comes; in mode   the application      conn_connect.c  connect-timeout
 *              tcp the client leg is
 *              ready
 *   MOVE       both legs are joined       bytes (mover.c)      conn_move.c     conn_deadline.h,
 *                                                                              conn_late.c
 *   REPLY      kedge answers itself, or   room in the socket   conn_reply.c    linger-timeout
 *              ends our direction
 *   LINGER     our direction has ended    the client's end     conn_end.c      linger-timeout
 *   CLOSED     all is over                the end of the turn  conn_end.c      -
 *
 * Others: conn_join.c joins the legs at the end of CONNECT; conn_leg.c has the application's leg,
 *   conn_header.c the PROXY header that it begins with; conn_queue.c those who wait for a server.
 *
 * I1  Any fault before MOVE closes the connection; nothing is ever sent in clear on a TLS listener.
 * I2  A connection leaves worker->conns exactly once, when it enters CLOSED, which counts it.
 * I3  The client socket is never put into a BPF map; the app leg is registered before connect(2).
 * I4  A connection goes to a state further down in the table, or from MOVE back to IDLE. The way
 *     from there to MOVE needs bytes of the client and a leg that answers, so no peer can make a
 *     circle of it within a turn.
 */
#pragma once

#include "conn/types.h"
#include "conn/verdict.h"

/* Each state, and those that it may go to. conn.c checks every transition against this table. */
#define CONN_TO(state) (1u << CONN_##state)
#define CONN_TABLE(ROW)                                                                         \
	ROW(ACCEPTED, CONN_TO(PREFIX) | CONN_TO(HANDSHAKE) | CONN_TO(IDLE) | CONN_TO(CONNECT) | \
			      CONN_TO(REPLY) | CONN_TO(CLOSED))                                 \
	ROW(PREFIX, CONN_TO(HANDSHAKE) | CONN_TO(IDLE) | CONN_TO(CONNECT) | CONN_TO(REPLY) |    \
			    CONN_TO(CLOSED))                                                    \
	ROW(HANDSHAKE, CONN_TO(IDLE) | CONN_TO(CONNECT) | CONN_TO(LINGER) | CONN_TO(CLOSED))    \
	ROW(IDLE, CONN_TO(CONNECT) | CONN_TO(REPLY) | CONN_TO(LINGER) | CONN_TO(CLOSED))        \
	ROW(CONNECT, CONN_TO(MOVE) | CONN_TO(REPLY) | CONN_TO(CLOSED))                          \
	ROW(MOVE, CONN_TO(IDLE) | CONN_TO(REPLY) | CONN_TO(LINGER) | CONN_TO(CLOSED))           \
	ROW(REPLY, CONN_TO(LINGER) | CONN_TO(CLOSED))                                           \
	ROW(LINGER, CONN_TO(CLOSED))                                                            \
	ROW(CLOSED, 0u)

/* Takes over an accepted, non-blocking socket; closes it on failure. */
void conn_accept(struct worker *w, struct service *s, int fd, const union addr *peer);

/* Ends it if nothing is under way; otherwise it ends when that is so (worker->draining is set). */
void conn_drain(struct conn *c);

/* The operator has taken a server out, or back in: idle legs to one that is out are given up. */
void conn_servers_changed(struct worker *w);

/* The drain time is over: closes connections that only wait for the client's end. */
void conn_drain_over(struct worker *w);

/* Resets both legs, counts the reason (0: none) and frees at the end of the turn. */
void conn_abort(struct conn *c, enum kedge_reason reason);

/* The watch of each leg calls it. */
void conn_leg_ready(struct watch *watch, uint32_t events);

/* Frees the graves of a turn. */
void conn_bury(struct worker *w);
