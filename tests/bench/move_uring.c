/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine by io_uring, as good as we could make it: one io_uring_enter() a turn, which sends the
 * bytes of the turn before and waits for more. Every leg has a multishot recv, which takes buffers
 * out of a ring. A send is tried right away, and has no completion if it went out whole.
 *
 * Each direction of a flow is a `way`: chunks that were received and not yet sent, in order, and at
 * most one send at a time, because two in one batch could overtake one another if the first is cut
 * short.
 *
 * Features are tested at startup (move_uring_open()); missing ones are replaced by the older way.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "move_ring.h"
#include "tls/ktls.h"

#define CHUNKS_PER_SEND 16
/* With so many unsent chunks a way is not read any more. */
#define CHUNKS_MAX      32

/* What a completion belongs to: the lowest bits of user_data, beside the way. */
enum op { OP_RECV, OP_SEND, OP_CANCEL, OP_ACCEPT, OP_MASK = 3 };

struct flow;

struct way {
	struct flow *flow;
	int from, to;
	bool from_tls, to_tls;
	bool reading, cancelling; /* a recv is under way; it was cancelled */
	bool eof, shut, queued;   /* queued: in `dirty` */
	bool starving;            /* in `starving`: there was no buffer for it */
	enum { NOTHING, TRIED, WAITED_FOR } sending;
	struct queue unsent;
	unsigned trying; /* chunks that are being sent */
	int result;      /* of a send that was TRIED: bytes, if it did complete */
	bool completed;
	struct way *next_dirty, *next_tried, *next_starving;
	struct msghdr msg;
	struct iovec iov[CHUNKS_PER_SEND];
};

struct flow {
	struct way up, down;
	unsigned ops; /* that will complete */
	bool dead;
};

static struct ring ring;
static struct way *dirty, *tried, *starving;
/* For a multishot recvmsg: the room for the type of a record. */
static struct msghdr with_type = {.msg_controllen = CMSG_SPACE(sizeof(uint8_t))};

static void way_dirty(struct way *w)
{
	if (w->queued)
		return;
	w->queued = true;
	w->next_dirty = dirty;
	dirty = w;
}

static struct io_uring_sqe *prepare(struct way *w, enum op op)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring);

	io_uring_sqe_set_data64(sqe, (uintptr_t)w | op);
	return sqe;
}

static void on_socket(struct io_uring_sqe *sqe)
{
	if (ring.features & MOVE_FILES)
		sqe->flags |= IOSQE_FIXED_FILE;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void start_recv(struct way *w)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring);

	if (w->from_tls)
		io_uring_prep_recvmsg_multishot(sqe, w->from, &with_type, 0);
	else if (ring.features & MOVE_MULTISHOT)
		io_uring_prep_recv_multishot(sqe, w->from, NULL, 0, 0);
	else
		io_uring_prep_recv(sqe, w->from, NULL, ring.buffer_bytes, 0);
	io_uring_sqe_set_data64(sqe, (uintptr_t)w | OP_RECV);
	/* The poll finds bytes that are there already, which are very rare. */
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = RING_GROUP;
	on_socket(sqe);
	w->reading = true;
	w->flow->ops++;
}

static void stop_recv(struct way *w)
{
	io_uring_prep_cancel64(prepare(w, OP_CANCEL), (uintptr_t)w | OP_RECV, 0);
	w->cancelling = true;
	w->flow->ops++;
}

static void flow_end(struct flow *f)
{
	if (f->dead)
		return;
	f->dead = true;
	/* Operations that are still under way on them complete now. */
	shutdown(f->up.from, SHUT_RDWR);
	shutdown(f->up.to, SHUT_RDWR);
	way_dirty(&f->up);
}

/* Not read until a buffer is free: a recv would fail at once. */
static void starve(struct way *w)
{
	w->starving = true;
	w->next_starving = starving;
	starving = w;
}

static void feed(void)
{
	if (!ring.given_back)
		return;
	ring_offer(&ring);
	for (; starving; starving = starving->next_starving) {
		starving->starving = false;
		way_dirty(starving);
	}
}

/* Reads what a multishot recvmsg has written into a buffer. An alert counts as the end. */
static void take_record(struct way *w, uint16_t id, int bytes)
{
	struct io_uring_recvmsg_out *out =
		io_uring_recvmsg_validate(ring_buffer(&ring, id), bytes, &with_type);
	const struct cmsghdr *c = out ? io_uring_recvmsg_cmsg_firsthdr(out, &with_type) : NULL;
	uint8_t *payload;
	uint32_t len;

	if (!out) {
		ring_give_back(&ring, id);
		flow_end(w->flow);
		return;
	}
	payload = io_uring_recvmsg_payload(out, &with_type);
	len = io_uring_recvmsg_payload_length(out, bytes, &with_type);
	if (len && (!c || *CMSG_DATA(c) == TLS_CONTENT_DATA)) {
		queue_add(&ring, &w->unsent, id, (uint32_t)(payload - ring_buffer(&ring, id)), len);
		return;
	}
	w->eof = true;
	ring_give_back(&ring, id);
}

static void received(struct way *w, const struct io_uring_cqe *cqe)
{
	uint16_t id = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);

	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		w->reading = w->cancelling = false;
		w->flow->ops--;
	}
	way_dirty(w);
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		if (w->eof || w->flow->dead || cqe->res <= 0)
			ring_give_back(&ring, id);
		else if (w->from_tls)
			take_record(w, id, cqe->res);
		else
			queue_add(&ring, &w->unsent, id, 0, (uint32_t)cqe->res);
	}
	if (cqe->res == 0)
		w->eof = true;
	else if (cqe->res == -ENOBUFS)
		starve(w);
	else if (cqe->res < 0 && cqe->res != -ECANCELED)
		flow_end(w->flow);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void prepare_send(struct way *w, struct io_uring_sqe *sqe, int flags)
{
	w->trying = queue_gather(&ring, &w->unsent, w->iov, CHUNKS_PER_SEND);
	/* Whole or an error, so that a send without a completion is known to have gone out whole.
	 * Kernel TLS refuses it (net/tls/tls_sw.c, tls_sw_sendmsg()). */
	flags |= w->to_tls ? MSG_NOSIGNAL : MSG_WAITALL | MSG_NOSIGNAL;
	if (w->trying == 1) {
		io_uring_prep_send(sqe, w->to, w->iov->iov_base, w->iov->iov_len, flags);
	} else {
		w->msg = (struct msghdr){.msg_iov = w->iov, .msg_iovlen = w->trying};
		io_uring_prep_sendmsg(sqe, w->to, &w->msg, (unsigned)flags);
	}
	io_uring_sqe_set_data64(sqe, (uintptr_t)w | OP_SEND);
	on_socket(sqe);
}

/* Goes out whole when it is submitted, or fails. */
static void try_send(struct way *w)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring);

	prepare_send(w, sqe, MSG_DONTWAIT);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	w->sending = TRIED;
	w->completed = false;
	w->next_tried = tried;
	tried = w;
}

/* Completes when all of it has gone out, or a part with kernel TLS. */
static void wait_send(struct way *w)
{
	prepare_send(w, ring_sqe(&ring), 0);
	w->sending = WAITED_FOR;
	w->flow->ops++;
}

static void send_completed(struct way *w, int result)
{
	if (w->sending == TRIED) {
		w->completed = true;
		w->result = result;
		return; /* settle() has it */
	}
	w->sending = NOTHING;
	w->flow->ops--;
	way_dirty(w);
	if (result < 0)
		flow_end(w->flow);
	else
		queue_sent(&ring, &w->unsent, (size_t)result);
}

/* The sends that were tried in this turn went out whole, unless they have completed. */
static void settle(void)
{
	while (tried) {
		struct way *w = tried;

		tried = w->next_tried;
		w->sending = NOTHING;
		if (!w->completed) {
			queue_drop(&ring, &w->unsent, w->trying);
			if (w->unsent.chunks || w->eof)
				way_dirty(w);
			continue;
		}
		way_dirty(w);
		if (w->result > 0)
			queue_sent(&ring, &w->unsent, (size_t)w->result);
		if (w->result < 0 && w->result != -EAGAIN)
			flow_end(w->flow);
		else if (!w->flow->dead && w->unsent.chunks)
			wait_send(w);
	}
}

/* --- flows ------------------------------------------------------------------------------------ */

static bool way_busy(const struct way *w)
{
	return w->queued || w->starving || w->sending != NOTHING;
}

/* A dead way sends no more, and others may wait for its buffers. */
static void way_drop(struct way *w)
{
	if (w->sending == NOTHING)
		queue_drop(&ring, &w->unsent, w->unsent.chunks);
}

/* Frees a flow that has ended, if nothing of it is under way. */
static void flow_bury(struct flow *f)
{
	way_drop(&f->up);
	way_drop(&f->down);
	if (f->ops || way_busy(&f->up) || way_busy(&f->down))
		return;
	ring_forget(&ring, f->up.from);
	ring_forget(&ring, f->up.to);
	free(f);
}

/*
 * May a send have no completion? Only if nothing waits for its end, because nothing would wake us,
 * and if the kernel does not cut it short silently.
 */
static bool may_be_silent(const struct way *w)
{
	return ring.features & MOVE_SKIP && !w->to_tls && w->reading && !w->cancelling && !w->eof &&
	       w->unsent.chunks <= CHUNKS_PER_SEND && !starving;
}

/* Takes the next step on a way. */
static void way_go(struct way *w)
{
	if (w->sending == NOTHING && w->unsent.chunks) {
		if (may_be_silent(w))
			try_send(w);
		else
			wait_send(w);
	}
	if (w->eof) {
		if (!w->unsent.chunks && !w->shut) {
			move_shut(w->to, w->to_tls);
			w->shut = true;
		}
	} else if (w->unsent.chunks >= CHUNKS_MAX) {
		if (w->reading && !w->cancelling)
			stop_recv(w);
	} else if (!w->reading && !w->starving) {
		start_recv(w);
	}
}

static void go(void)
{
	while (dirty) {
		struct way *w = dirty;
		struct flow *f = w->flow;

		dirty = w->next_dirty;
		w->queued = false;
		if (!f->dead)
			way_go(w);
		if (f->up.shut && f->down.shut)
			flow_end(f);
		if (f->dead)
			flow_bury(f);
	}
}

static void flow_begin(int client, int app, bool tls)
{
	struct flow *f = calloc(1, sizeof(*f));

	if (!f)
		move_die("calloc");
	ring_know(&ring, client);
	ring_know(&ring, app);
	f->up = (struct way){.flow = f, .from = client, .to = app, .from_tls = tls};
	f->down = (struct way){.flow = f, .from = app, .to = client, .to_tls = tls};
	way_dirty(&f->up);
	way_dirty(&f->down);
}

static void await_connections(const struct move *m)
{
	io_uring_prep_poll_add(prepare(NULL, OP_ACCEPT), m->listener, POLLIN);
}

static void accept_all(const struct move *m)
{
	int client, app;

	while (move_accept(m, &client, &app))
		flow_begin(client, app, m->tls);
	await_connections(m);
}

static void completed(const struct move *m, const struct io_uring_cqe *cqe)
{
	struct way *w = (struct way *)(uintptr_t)(cqe->user_data & ~(__u64)OP_MASK);

	switch (cqe->user_data & OP_MASK) {
	case OP_RECV:
		received(w, cqe);
		break;
	case OP_SEND:
		send_completed(w, cqe->res);
		break;
	case OP_CANCEL:
		w->flow->ops--;
		way_dirty(w);
		break;
	case OP_ACCEPT:
		accept_all(m);
		break;
	}
}

void move_uring(const struct move *m)
{
	ring_open(&ring, m);
	if (m->tls && !(ring.features & MOVE_MULTISHOT)) {
		errno = EOPNOTSUPP;
		move_die("kernel TLS without multishot recvmsg");
	}
	await_connections(m);
	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned head, count = 0;
		int r = io_uring_submit_and_wait(&ring.uring, 1);

		if (r < 0 && r != -EINTR) {
			errno = -r;
			move_die("io_uring_enter");
		}
		io_uring_for_each_cqe(&ring.uring, head, cqe) {
			completed(m, cqe);
			count++;
		}
		io_uring_cq_advance(&ring.uring, count);
		settle();
		do {
			feed();
			go();
		} while (ring.given_back);
	}
}
