/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the data of a flow: one stream of HTTP/1.1 messages (or of anything, in mode tcp)
 * between a client leg and an application leg. The mover works on it (mover.h). A flow knows
 * records, editors and responses. It does not know timers, epoll or connections.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "access/access.h"
#include "app/leg.h"
#include "base/brief.h"
#include "conn/pipes.h"
#include "http/proxy_proto.h"
#include "metrics/metrics.h"
#include "tls/record.h"

/* Bytes that were read and that the other side could not take yet: in memory, or in a pipe. */
struct residue {
	uint8_t *data;     /* owned, NULL when empty */
	struct pipe *pipe; /* the same */
	uint32_t len, off;
};

/* The room for this many stays with the flow, for its next requests on the leg. */
#define SENT_SMALL 512

/*
 * What the client has sent since the last boundary, to send it again on another leg. The small room
 * lives about as long as the leg, and comes from its `brief`. More comes from malloc(3).
 */
struct sent {
	uint8_t *data; /* owned */
	uint32_t len, size;
	bool valid; /* it is all there */
};

static inline void sent_drop(struct sent *s)
{
	if (s->size > SENT_SMALL)
		free(s->data);
	else
		brief_give(s->data);
	*s = (struct sent){0};
}

struct flow {
	struct record *record; /* client leg, owned by the connection */
	struct leg *leg;       /* owned by the connection; NULL: the flow has none */
	uint32_t up_asked;     /* leg->edit->note->requests when that was last asked for */
	struct residue up, down;
	struct sent sent;
	/* Bytes of a body that are still to be read from the client, and are spliced if a pipe is
	 * free. */
	uint64_t up_rest;
	struct access_flow *access; /* borrowed; NULL: requests are not logged */
	/* When the oldest request without a response became complete, or became the oldest; 0:
	 * there is none. */
	uint64_t request_us;
	enum kedge_reason reason; /* with MOVER_REPLY and MOVER_ABORT */
	bool client_in, client_full, client_flush, client_eof;
	bool client_shut;   /* our direction of the client leg has ended */
	bool reuses;        /* it may give its leg up, and go on with another: mover_lease.h */
	bool elsewhere;     /* another server may do what a fresh leg has lost */
	bool again;         /* the request is sent for the second time: there is no third */
	bool splices;       /* bodies of known length may go by pipes */
	bool client_urgent; /* splice(2) does not get past urgent data: no more */
	bool client_ends;   /* an event told of an end or an error: read until it shows */
	bool refused; /* the request stream is at fault: only responses still owed are moved */
	/* The client's first bytes: a refusal names a PROXY prefix among them. */
	uint8_t first[PROXY_BEGIN_BYTES], first_len;
	bool lost_end; /* the client goes on behind a response that cannot be followed */
	char tail[4];  /* the client's last bytes: did they end with a head? */
	bool unsent;   /* with leg->write_dead: part of a request, which may not be counted */
};

/* What all flows of one worker share. */
struct mover {
	uint8_t *buf;
	size_t buf_size;
	struct kedge_stats *stats;
	struct metrics_row *metrics;       /* the worker's own */
	struct metrics_listener *listener; /* of the flow that is being moved; NULL: not counted */
	const uint64_t *now_us;            /* the worker's clock */
	bool closing;                      /* responses tell their clients to go: RESPONSE_CLOSE */
	struct pipes pipes;
};

/* Has it a leg that it is joined with? */
static inline bool flow_is_joined(const struct flow *f)
{
	return f->leg && f->leg->edit;
}

/* Requests of this client whose heads were complete, on the leg that it has now. */
static inline uint32_t flow_requests(const struct flow *f)
{
	return f->leg->edit->note->requests - f->leg->before;
}

static inline bool flow_is_tunnel(const struct flow *f)
{
	return f->leg->edit->note->standing == KEDGE_TUNNEL;
}

/* Requests whose final response is not finished. */
static inline uint32_t flow_outstanding(const struct flow *f)
{
	return response_outstanding(&f->leg->response, f->leg->edit->note);
}

static inline bool residue_any(const struct residue *r)
{
	return r->data || r->pipe;
}

/* Keeps a copy of p[0..n) in an empty residue. False if there is no memory for it. */
static inline bool residue_keep(struct residue *r, const void *p, size_t n)
{
	r->data = malloc(n);
	if (!r->data)
		return false;
	memcpy(r->data, p, n);
	r->len = (uint32_t)n;
	r->off = 0;
	return true;
}

/* Adds a copy of p[0..n) to a residue that is in memory, or empty. False as above. */
static inline bool residue_add(struct residue *r, const void *p, size_t n)
{
	const size_t kept = r->len - r->off;
	uint8_t *data = malloc(kept + n);

	if (!data)
		return false;
	if (kept)
		memcpy(data, r->data + r->off, kept);
	memcpy(data + kept, p, n);
	free(r->data);
	*r = (struct residue){.data = data, .len = (uint32_t)(kept + n)};
	return true;
}

static inline void residue_drop(struct residue *r)
{
	free(r->data);
	if (r->pipe)
		pipe_drop(r->pipe);
	*r = (struct residue){0};
}

/* The first n bytes have gone. */
static inline void residue_advance(struct residue *r, size_t n)
{
	r->off += (uint32_t)n;
	if (r->off < r->len)
		return;
	if (r->pipe)
		pipe_give(r->pipe);
	r->pipe = NULL;
	residue_drop(r);
}

/* An empty residue gets what was spliced into a pipe. */
static inline void residue_pipe(struct residue *r, struct pipe *pipe, size_t n)
{
	*r = (struct residue){.pipe = pipe, .len = (uint32_t)n};
}

/*
 * Nothing was spliced into a pipe. After an error there may be bytes in it all the same: the record
 * layer may have refused what it got.
 */
static inline void pipe_unused(struct pipe *pipe, bool failed)
{
	if (failed)
		pipe_drop(pipe);
	else
		pipe_give(pipe);
}

/* Offers the client what is kept for it, once. Returns as record_write() does. */
static inline ssize_t flow_offer_kept(struct flow *f)
{
	struct residue *d = &f->down;
	const size_t n = d->len - d->off;
	ssize_t r = d->pipe ? record_splice_out(f->record, d->pipe->read_fd, n)
			    : record_write(f->record, d->data + d->off, n);

	if (r > 0)
		residue_advance(d, (size_t)r);
	return r;
}
