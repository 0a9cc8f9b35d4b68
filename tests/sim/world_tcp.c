/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP as Linux does it: poll, wakeups, the peer's end, the network. See world.h. */
#include "world.h"

#include <errno.h>
#include <string.h>

/* --- kedge's end ------------------------------------------------------------------------------ */

/* sk_stream_is_writeable(): a third of the buffer is free. */
bool sock_writable(const struct sock *s)
{
	size_t used = sock_pending(s);

	return used < s->out_room && s->out_room - used >= used / 2;
}

static uint32_t poll_stream(struct sock *s)
{
	uint32_t mask = 0;
	bool dead = s->state == TCP_DEAD || s->state == TCP_UNCONNECTED;

	if (dead || (s->shut && s->in_fin))
		mask |= EPOLLHUP;
	if (s->in_fin || s->state == TCP_DEAD)
		mask |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if (s->state != TCP_CONNECTING) {
		if (s->in_taken < s->in.len)
			mask |= EPOLLIN | EPOLLRDNORM;
		if (s->shut || dead || sock_writable(s))
			mask |= EPOLLOUT | EPOLLWRNORM;
		else
			s->full = true;
		if (s->urgent_at != SIZE_MAX && s->urgent_at >= s->in_taken)
			mask |= EPOLLPRI;
	}
	if (s->err)
		mask |= EPOLLERR;
	return mask;
}

uint32_t sock_poll(struct sock *s)
{
	switch (s->kind) {
	case SOCK_LISTENER:
		return s->queued ? EPOLLIN | EPOLLRDNORM : 0;
	case SOCK_EVENT:
		return (s->count ? EPOLLIN : 0) | EPOLLOUT;
	case SOCK_CLIENT:
	case SOCK_APP:
	case SOCK_STREAM_NEW:
		return poll_stream(s);
	case SOCK_DATAGRAM:
	case SOCK_EPOLL:
	case SOCK_FREE:
		break;
	}
	return 0;
}

/* As ep_poll_callback(). */
void sock_wake(struct sock *s, uint32_t key)
{
	if (!s->watched || s->ready || !(s->events & ~(uint32_t)(EPOLLET | EPOLLERR | EPOLLHUP)) ||
	    (key && !(key & s->events)))
		return;
	s->ready = true;
	world.ready[world.readies++] = s;
}

/* A RST has come. */
static void die(struct sock *s, int err)
{
	if (s->state == TCP_DEAD)
		return;
	world_log("rst to kedge", s->id, (uint64_t)err, sock_pending(s));
	s->err = err;
	s->state = TCP_DEAD;
	s->out.len = s->out_arrived; /* the queue is purged */
	s->peer_gone = true;
	sock_wake(s, 0);
	sock_wake(s, EPOLLERR);
}

/* --- the peer's end --------------------------------------------------------------------------- */

size_t far_send(struct sock *s, const void *p, size_t n)
{
	size_t used = s->in.len - s->in_taken;
	size_t room = used < s->in_room ? s->in_room - used : 0;

	if (s->state != TCP_OPEN || s->in_fin || s->peer_gone || s->peer_reset)
		return 0;
	if (s->closed) { /* nobody will read it */
		world_log("rst to the peer", s->id, sock_pending(s), 0);
		s->peer_reset = true;
		s->state = TCP_DEAD;
		return n;
	}
	if (n > room)
		n = room;
	if (!n)
		return 0;
	http1_bytes_add(&s->in, p, n);
	s->out_acked = s->out_arrived; /* every segment says so */
	world_log("to kedge", s->id, n, s->in.len);
	sock_wake(s, EPOLLIN | EPOLLRDNORM);
	return n;
}

void far_urgent(struct sock *s)
{
	if (s->state != TCP_OPEN || s->in_fin || s->peer_gone || s->closed)
		return;
	world_log("urgent to kedge", s->id, s->in.len, 0);
	s->urgent_at = s->in.len;
	http1_bytes_add(&s->in, "!", 1);
	sock_wake(s, EPOLLPRI);
	sock_wake(s, EPOLLIN | EPOLLRDNORM);
}

size_t far_take(struct sock *s, size_t n)
{
	if (n > far_waiting(s))
		n = far_waiting(s);
	s->out_taken += n;
	return n;
}

void far_shut(struct sock *s)
{
	if (s->state != TCP_OPEN || s->in_fin)
		return;
	world_log("fin to kedge", s->id, s->in.len, 0);
	s->in_fin = true;
	s->taken_at_fin = s->out_taken;
	s->out_acked = s->out_arrived;
	sock_wake(s, 0);
	sock_wake(s, EPOLLIN | EPOLLRDNORM | EPOLLRDHUP);
}

/* In CLOSE_WAIT, a RST gives EPIPE. */
static int rst_errno(const struct sock *s)
{
	return s->state == TCP_CONNECTING ? ECONNREFUSED : s->in_fin ? EPIPE : ECONNRESET;
}

void far_close(struct sock *s, bool reset)
{
	if (s->peer_gone)
		return;
	world_log("peer closes", s->id, reset, far_waiting(s));
	if (reset || far_waiting(s))
		die(s, rst_errno(s));
	else
		far_shut(s);
	s->peer_gone = true;
}

/* --- the network ------------------------------------------------------------------------------ */

static bool fin_due(const struct sock *s)
{
	return s->shut && !s->fin_arrived && !s->peer_reset && s->state != TCP_DEAD;
}

static bool ack_due(const struct sock *s)
{
	return s->out_acked < s->out_arrived && s->state == TCP_OPEN && !s->peer_gone;
}

bool network_has(const struct sock *s)
{
	if (s->kind != SOCK_CLIENT && s->kind != SOCK_APP)
		return false;
	if (sock_pending(s) && !s->peer_reset)
		return s->peer_gone || far_waiting(s) < s->far_room || ack_due(s);
	return fin_due(s) || ack_due(s);
}

/* As tcp_check_space(). */
static void room_again(struct sock *s)
{
	if (!s->full || s->fd < 0 || !sock_writable(s))
		return;
	s->full = false;
	sock_wake(s, EPOLLOUT | EPOLLWRNORM);
}

void network_step(struct sock *s, size_t n)
{
	size_t room = s->far_room - far_waiting(s);

	if (s->peer_reset || s->state == TCP_DEAD)
		return;
	if (s->peer_gone) {
		if (sock_pending(s))
			die(s, rst_errno(s));
		s->fin_arrived |= s->shut;
		return;
	}
	if (n > sock_pending(s))
		n = sock_pending(s);
	if (n > room)
		n = room;
	s->out_arrived += n;
	if (n)
		world_log("arrives", s->id, n, s->out_arrived);
	if (!n || !dice_rare(8)) /* else later: a delayed one */
		s->out_acked = s->out_arrived;
	if (fin_due(s) && !sock_pending(s)) {
		world_log("fin arrives", s->id, s->out_arrived, 0);
		s->fin_arrived = true;
		sock_wake(s, 0);
	}
	room_again(s);
}

struct sock *listener_connect(struct sock *listener, const union addr *from)
{
	struct sock *s;

	if (!listener || listener->fd < 0 || listener->kind != SOCK_LISTENER ||
	    listener->queued == WORLD_BACKLOG)
		return NULL;
	s = sock_new(SOCK_CLIENT);
	s->state = TCP_OPEN;
	s->near = listener->near;
	s->far = *from;
	listener->queue[listener->queued++] = s;
	world_log("client connects", s->id, listener->id, listener->queued);
	sock_wake(listener, EPOLLIN | EPOLLRDNORM);
	return s;
}

void connect_over(struct sock *s, int err)
{
	if (s->state != TCP_CONNECTING)
		return;
	world_log(err ? "connect fails" : "connected", s->id, (uint64_t)err, 0);
	if (err) {
		die(s, err);
		return;
	}
	s->state = TCP_OPEN;
	s->was_open = true;
	sock_wake(s, 0);
	sock_wake(s, EPOLLOUT);
}
