/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: a leg is one socket to the application, with all that hangs on it: its watch, the
 * editor of the requests that go to it, the follower of the responses that come, and its row in
 * BPF's maps. A flow has at most one at a time, and may have several one after the other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "app/server.h"
#include "base/brief.h"
#include "base/loop.h"
#include "bpf/kbpf.h"
#include "http/edit.h"
#include "http/response.h"

struct leg {
	struct watch watch;
	void *owner;              /* borrowed: whom the watch tells of events; NULL: closed */
	LIST_ENTRY(leg) link;     /* of the graves, or of the server's idle legs */
	struct server *server;    /* borrowed; one of its connections is this; NULL: none yet */
	struct edit *edit;        /* owned; NULL until the leg is joined to a flow */
	struct response response; /* what has come on it */
	struct kbpf_flow kbpf;    /* registered, but not yet owned by an editor */
	struct brief *brief;      /* borrowed: memory of what goes with the leg */
	const __u8 *mixed;        /* kedge_note.mixed if it may be bypassed, else NULL */
	uint64_t connect_began_us;
	uint64_t connect_took_us; /* once it is ready */
	uint64_t served_us;       /* when its last response ended; 0: none has */
	uint64_t acked;           /* see leg_proof.h */
	uint32_t before; /* requests that it had, each with its response, before this client's */
	uint32_t header_sent; /* bytes of the connection's PROXY header */
	int fd;               /* -1: none yet */
	uint8_t index;        /* of the server in its application */
	bool busy;            /* counted as such in the server's row */
	bool ready;           /* the application has answered, one way or the other */
	bool queue;           /* the application has no room for a connection now: try again */
	bool edit_kernel;     /* BPF edits its requests */
	bool bypass;          /* its bytes may bypass loopback TCP */
	bool named;           /* it has the client's name */
	bool in, full;        /* there may be bytes to read; it takes none until EPOLLOUT */
	bool flush;           /* it takes some again: what the editor holds goes first */
	bool eof, shut;       /* its end has been read; ours has been sent */
	bool ends;            /* an event told of an end or an error: read until it shows */
	bool urgent;          /* splice(2) does not get past urgent data: no more */
	bool write_dead;      /* the application takes nothing more; it may have answered */
	/* A send has met the reset of the application, which a recv() will take for an end now. */
	bool reset;
	bool bad;     /* with eof: it did not end; what came must not reach the client */
	bool dropped; /* what the client said behind its last response went nowhere */
	/* See leg_pool.h. */
	struct legs *pool; /* whose idle leg it is; NULL: it is none */
	TAILQ_ENTRY(leg) idle_link;
	struct timer idle_timer;
	uint64_t idle_us; /* since when */
};

/* What the legs of a worker share. */
struct legs {
	struct loop *loop;
	void (*ready)(struct watch *w, uint32_t events); /* what the watch of each calls */
	struct kbpf *bpf;                                /* NULL: nothing of kedge runs in BPF */
	struct leg_list graves; /* closed, and freed at the end of the turn */
	struct task bury;
	struct brief brief;     /* memory of legs and of what goes with them */
	TAILQ_HEAD(, leg) idle; /* in the pool, the oldest first */
	unsigned idle_count;    /* atomic: other workers read it */
	struct kedge_stats *stats;
	unsigned worker; /* whose they are: its row of every server */
};

void legs_init(struct legs *legs, struct loop *loop, struct kbpf *bpf, unsigned worker,
	       struct kedge_stats *stats, void (*ready)(struct watch *w, uint32_t events));
/* Frees the graves and the memory. All legs are closed. */
void legs_fini(struct legs *legs);

/* A leg without a socket. NULL when out of memory. */
struct leg *leg_new(struct legs *legs, void *owner);

/* The server has one more, or one less, with something under way. */
void leg_set_busy(const struct legs *legs, struct leg *l, bool busy);

/*
 * Frees the editor, takes the leg from BPF's maps and closes its socket; with `reset` the
 * application gets a reset. The leg is freed at the end of the turn: there may be more events for
 * it. Its watch must ignore a leg that has no owner.
 */
void leg_close(struct legs *legs, struct leg *l, bool reset);

/*
 * How long an idle leg may stay open: `most_ms`; less than the last response allows in Keep-Alive;
 * and less than the silence after which its server was seen to close one, so that no request meets
 * that.
 */
uint32_t leg_idle_max_ms(const struct legs *legs, const struct leg *l, uint32_t most_ms);

/* The application has closed this leg, on which nothing was under way. */
void leg_closed_idle(const struct legs *legs, const struct leg *l);
