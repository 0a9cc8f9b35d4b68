/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: a connection from accept to close, and the only place where its state changes.
 *
 *   state      entered when               waits for            goes to             deadline
 *   PREFIX     accepted, the listener     the PROXY prefix     HANDSHAKE, CONNECT  prefix-timeout
 *              reads prefixes
 *   HANDSHAKE  on a TLS listener          the TLS handshake    CONNECT             handshake-
 *                                                                                  timeout
 *   CONNECT    the client leg is ready    the application      MOVE, REPLY, HEAR   connect-timeout
 *   HEAR       the application cannot    the client's first    REPLY               head-timeout
 *              be had                    bytes: what is asked
 *   MOVE       both legs are joined       bytes (mover.c)      REPLY, LINGER       conn_deadline.c
 *   REPLY      kedge answers itself       the socket's room    LINGER              linger-timeout
 *   LINGER     our direction is closed    the client's end     CLOSED              linger-timeout
 *   CLOSED     all is over                the end of the turn  freed               -
 *
 * Any of them may go straight to CLOSED. The files, in the order of a connection:
 *   conn.c        begins one, and hands events and deadlines to the file of its state
 *   conn_open.c   PREFIX, HANDSHAKE
 *   conn_connect.c CONNECT, which may begin while HANDSHAKE lasts
 *   conn_leg.c    what the kernel does for the application's leg
 *   conn_move.c   MOVE, conn_deadline.c its deadlines
 *   conn_end.c    REPLY, LINGER, CLOSED
 *
 * I1  Any fault before MOVE closes the connection; nothing is ever sent in clear on a TLS listener.
 * I2  A connection leaves worker->conns exactly once, in conn_close(), which counts it.
 * I3  The client socket is never put into a BPF map; the app leg is registered before connect(2).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "bpf/kbpf.h"
#include "kedge/abi.h"
#include "base/loop.h"
#include "conn/mover.h"

struct worker;
struct service;
struct tls_conn;
struct source;

enum conn_state {
	CONN_PREFIX,
	CONN_HANDSHAKE,
	CONN_CONNECT,
	CONN_MOVE,
	CONN_REPLY,
	CONN_LINGER,
	CONN_CLOSED,
	CONN_HEAR,
};

struct conn {
	struct watch client_watch, app_watch;
	struct timer timer;
	struct task again; /* its share of a turn was used up */
	LIST_ENTRY(conn) link;
	struct worker *worker;
	/* a reference, and with it the configuration that the connection is treated by */
	struct service *service;
	struct source *source; /* its address, where connections of one are counted; or NULL */
	struct source *refused_source; /* the same when it was refused for that, and is told so */
	struct tls_conn *tls;          /* during HANDSHAKE */
	struct flow flow;              /* from the end of the handshake on */
	struct kbpf_flow kbpf_flow;    /* registered, but not yet owned by an editor */
	union addr client;          /* who the client is: from the prefix, or the socket's peer */
	struct access_flow *access; /* NULL: its requests are not logged */
	uint64_t stage_us;          /* when the handshake began */
	uint64_t connect_us;        /* when the connect began; once app_ready, how long it took */
	uint64_t active_ms;         /* last time bytes moved; HANDSHAKE: when it began */
	uint64_t head_ms;           /* a head has been incomplete since; 0: none is */
	uint64_t body_due_ms;       /* a body is slower than allowed then; 0: none is awaited */
	uint64_t answer_ms;   /* only the application's answer is awaited since; 0: it is not */
	uint64_t take_due_ms; /* the client must have taken enough; 0: it keeps up */
	uint64_t take_acked;  /* bytes that it had acknowledged when that was set */
	uint64_t idle_acked;  /* the same when idle-timeout was up last */
	uint32_t prefix_bytes;
	uint32_t head_index; /* which head that is */
	uint32_t body_index; /* of which request body_due_ms is, and body_begun */
	uint32_t body_rest;  /* what body_due_ms is short of, as a fraction of body-rate-min */
	int client_fd;
	uint16_t
		port; /* where the client connected to, host order: from the prefix or the socket */
	uint8_t state;                  /* enum conn_state */
	uint8_t tls_version, tls_suite; /* enums of ktls.h, with TLS, after the handshake */
	bool handshaking;               /* counted as such */
	bool trusted;                   /* the socket's peer may send a prefix */
	bool early;                     /* the application was asked during HANDSHAKE */
	bool app_ready;                 /* it has answered, one way or the other */
	bool nobody;                    /* the prefix says that nobody knows the client */
	bool named;                     /* the app leg has the client's name */
	bool edit_kernel;               /* BPF edits its requests */
	bool bypass;                    /* its bytes may bypass loopback TCP */
	bool body_begun;                /* the client has no reason to wait with it any more */
	bool counted;                   /* the reason why it ends */
	bool heard;                     /* the client has asked for something, or will not: */
	bool asked_head;                /* with HEAD */
	bool client_error; /* MOVE: the client leg is dead; its queue may still be worth reading */
};
LIST_HEAD(conn_list, conn);

/* Takes over an accepted, non-blocking socket; closes it on failure. */
void conn_accept(struct worker *w, struct service *s, int fd, const union addr *peer);

/* Ends it if nothing is under way; otherwise it ends when that is so (worker->draining is set). */
void conn_drain(struct conn *c);

/* The drain time is over: closes those that have all that they get. What is left took too long. */
void conn_drain_over(struct worker *w);

/* Resets both legs, counts the reason (0: none) and frees at the end of the turn. */
void conn_abort(struct conn *c, enum kedge_reason reason);

/* Frees the graves of a turn. */
void conn_bury(struct worker *w);
