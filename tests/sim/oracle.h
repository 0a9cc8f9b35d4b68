/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: what must be true. The calls of kedge are judged when they are made: bytes to an
 * application against the script of its client, bytes to a client against what its application
 * sent. Each transition and each counted reason is judged by what has happened in the world.
 */
#pragma once

#include "people.h"

/* --- from the calls (world_calls.c) ----------------------------------------------------------- */

/* A socket connects. The result of connect(2). */
int oracle_connects(struct sock *s);
void oracle_accepts(struct sock *listener, struct sock *s);
/* The last n bytes of s->out are new. */
void oracle_sends(struct sock *s, size_t n);
/* The next n bytes of s->in are about to be taken. */
void oracle_reads(struct sock *s, size_t n);
/* Our direction is about to end. */
void oracle_shuts(struct sock *s);
void oracle_closes(struct sock *s, bool reset);

/* --- legs (oracle_leg.c, oracle_part.c) ------------------------------------------------------ */

struct conn;
/* A run begins. */
/* The header that begins each leg of a client, by this configuration. */
void oracle_header_expect(struct client *c, const struct conf *conf, const union addr *who,
			  uint16_t port);
/* Takes it out of the last n bytes that the leg was sent. Returns how many are left. */
size_t oracle_header_takes(struct served *l, size_t n);

void oracle_legs_begin(void);
/* The first n bytes are sent on this one. */
void oracle_leg_begins(struct served *l, size_t n);
/* It was a guess what they are, and a wrong one. False: it was none. */
bool oracle_leg_guesses(struct served *l);
/* And now the first ones of a request. */
void oracle_leg_goes_on(struct served *l);
/* A connection is joined; its leg is about to be given up; it goes to another state. */
void oracle_joins(void);
void oracle_parts(struct client *c, const struct conn *conn);
void oracle_moves_to(const struct client *c, unsigned to);
/* kedge answers that the application has gone. */
void oracle_app_gone(const struct client *c);
void oracle_legs_turn(void);
void oracle_legs_over(void);

/* --- legs that no client has (oracle_pool.c) -------------------------------------------------- */

void oracle_pool_begin(void);
/* kedge closes this leg, which may be one of them. */
void oracle_pool_closes(struct served *l);
/* After each turn. How many there are. */
unsigned oracle_pool_turn(void);
void oracle_pool_over(void);

/* --- from the client (client_tls.c) ----------------------------------------------------------- */

/* Bytes in clear, from kedge. */
void oracle_client_gets(struct client *c, const uint8_t *p, size_t n);

/* --- from the run (sim.c) --------------------------------------------------------------------- */

/* The socket that listens for the listener with this index. */
struct sock *oracle_listener(unsigned index);
/* After each turn. */
void oracle_turn(void);
/* The worker has ended: what it counted, and how each connection ended. */
void oracle_over(void);

/* --- how (oracle_reason.c, oracle_client.c) --------------------------------------------------- */

void oracle_reason(struct client *c, const struct conn *conn, enum kedge_reason reason);
/* The same for a limit that is reached before there is a connection. */
void oracle_turned_away(const struct client *c);
/* Is it a fault that kedge finds in a request? */
bool reason_is_refusal(enum kedge_reason reason);
void oracle_client_ends(struct client *c, bool clean);
void oracle_client_over(struct client *c);
/* May the application take what it got for whole? */
bool oracle_at_boundary(const struct served *l);
