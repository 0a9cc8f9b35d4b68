/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls of kedge's objects end here (--wrap). Those on descriptors of the world are
 * played, with the results that Linux gives; others go to the system.
 */
#include "calls.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>

#include "cover.h"
#include "oracle.h"
#include "world.h"

static int fails(int err)
{
	errno = err;
	return -1;
}

/* --- sockets ---------------------------------------------------------------------------------- */

static bool no_descriptor(void)
{
	if (!world.descriptor_faults)
		return false;
	world.descriptor_faults--;
	return true;
}

int __wrap_socket(int family, int type, int protocol)
{
	WORLD_RUNS();
	struct sock *s;
	int fd;

	if (!world.on)
		return __real_socket(family, type, protocol);
	world.moved++;
	if (no_descriptor())
		return fails(dice_rare(2) ? ENFILE : EMFILE);
	s = sock_new((type & 0xf) == SOCK_DGRAM ? SOCK_DATAGRAM : SOCK_STREAM_NEW);
	s->near.family = (sa_family_t)family;
	fd = sock_open(s);
	return fd < 0 ? fails(EMFILE) : fd;
}

int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sock *s = sock_of(fd);

	if (!s)
		return __real_bind(fd, addr, len);
	memcpy(&s->near, addr, len);
	if (!s->near.in.sin_port)
		s->near.in.sin_port = htons(world.next_port++);
	return 0;
}

int __wrap_listen(int fd, int backlog)
{
	struct sock *s = sock_of(fd);

	if (!s)
		return __real_listen(fd, backlog);
	s->kind = SOCK_LISTENER;
	world_log("listens", s->id, addr_port(&s->near), 0);
	return 0;
}

int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	WORLD_RUNS();
	struct sock *s = sock_of(fd);

	if (!s)
		return __real_connect(fd, addr, len);
	memcpy(&s->far, addr, len);
	if (s->kind == SOCK_DATAGRAM)
		return dice_rare(2) ? fails(ENETUNREACH) : 0;
	s->kind = SOCK_APP;
	s->state = TCP_CONNECTING;
	s->near = s->far;
	s->near.in.sin_port = htons(world.next_port++);
	world.moved++;
	return oracle_connects(s);
}

int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	WORLD_RUNS();
	struct sock *l = sock_of(fd), *s;

	if (!l)
		return __real_accept4(fd, addr, len, flags);
	if (!l->queued)
		return fails(EAGAIN);
	world.moved++;
	if (no_descriptor())
		return fails(EMFILE);
	s = l->queue[0];
	memmove(l->queue, l->queue + 1, --l->queued * sizeof(l->queue[0]));
	if (sock_open(s) < 0)
		return fails(EMFILE);
	world_log("accept", s->id, l->id, (uint64_t)s->fd);
	memcpy(addr, &s->far, addr_len(&s->far));
	*len = addr_len(&s->far);
	oracle_accepts(l, s);
	return s->fd;
}

/* A listener's queue is reset. */
static void close_listener(struct sock *l)
{
	for (unsigned i = 0; i < l->queued; i++) {
		world_log("rst to the peer", l->queue[i]->id, 0, 0);
		l->queue[i]->closed = l->queue[i]->peer_reset = true;
		l->queue[i]->state = TCP_DEAD;
	}
	l->queued = 0;
}

static void close_stream(struct sock *s)
{
	bool unread = s->in_taken < s->in.len;
	bool reset = s->state == TCP_OPEN && (s->reset_on_close || unread);

	world_log(reset ? "close, reset" : "close", s->id, sock_pending(s), unread);
	s->closed = true;
	oracle_closes(s, reset);
	if (reset || s->state != TCP_OPEN) {
		s->out.len = s->out_arrived;
		s->peer_reset |= s->state == TCP_OPEN;
		s->state = TCP_DEAD;
	}
	s->shut = true;
}

static void forget_ready(struct sock *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < world.readies; i++)
		if (world.ready[i] != s)
			world.ready[n++] = world.ready[i];
	world.readies = n;
	s->ready = s->watched = false;
}

int __wrap_close(int fd)
{
	WORLD_RUNS();
	struct sock *s = sock_of(fd);

	if (!s && world.on && fd >= WORLD_FD)
		world_fail("close(%d): it is not open", fd);
	if (!s)
		return __real_close(fd);
	world.by_fd[fd - WORLD_FD] = NULL;
	world.fds--;
	world.moved++;
	forget_ready(s);
	s->given_up = s->state == TCP_CONNECTING;
	s->fd = -1;
	if (s->kind == SOCK_LISTENER)
		close_listener(s);
	else if (s->kind == SOCK_CLIENT || s->kind == SOCK_APP)
		close_stream(s);
	return 0;
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* How far a read may go now: urgent data cuts it, and its byte is left out. */
static size_t readable(struct sock *s)
{
	if (s->urgent_at == s->in_taken && s->in_taken < s->in.len) {
		memmove(s->in.data + s->in_taken, s->in.data + s->in_taken + 1,
			s->in.len - s->in_taken - 1);
		s->in.len--;
		s->urgent_at = SIZE_MAX;
	}
	if (s->urgent_at != SIZE_MAX && s->urgent_at > s->in_taken)
		return s->urgent_at - s->in_taken;
	return s->in.len - s->in_taken;
}

static ssize_t read_end(struct sock *s)
{
	int err = s->err;

	if (s->in_fin) {
		s->end_read = true;
		return 0;
	}
	if (err) {
		s->err = 0;
		world.moved++;
		return fails(err);
	}
	if (s->state == TCP_DEAD)
		return 0;
	return fails(s->state == TCP_UNCONNECTED ? ENOTCONN : EAGAIN);
}

static ssize_t take(struct sock *s, void *buf, size_t len, int flags)
{
	WORLD_RUNS();
	size_t n = readable(s);

	if (!n)
		return read_end(s);
	if (n > len)
		n = len;
	memcpy(buf, s->in.data + s->in_taken, n);
	if (flags & MSG_PEEK)
		return (ssize_t)n;
	world_log("recv", s->id, n, s->in_taken + n);
	oracle_reads(s, n);
	s->in_taken += n;
	world.moved++;
	return (ssize_t)n;
}

ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags)
{
	struct sock *s = sock_of(fd);

	return s ? take(s, buf, len, flags) : __real_recv(fd, buf, len, flags);
}

ssize_t __wrap_read(int fd, void *buf, size_t len)
{
	struct sock *s = sock_of(fd);

	if (!s)
		return __real_read(fd, buf, len);
	if (s->kind != SOCK_EVENT)
		return take(s, buf, len, 0);
	if (!s->count)
		return fails(EAGAIN);
	memcpy(buf, &s->count, sizeof(s->count));
	s->count = 0;
	return sizeof(s->count);
}

/* How much the socket takes, or -1 and errno. */
static ssize_t room_for(struct sock *s, size_t n)
{
	size_t used = sock_pending(s), room = used < s->out_room ? s->out_room - used : 0;
	int err = s->err;

	if (s->state == TCP_CONNECTING)
		return fails(EAGAIN);
	if (s->state != TCP_OPEN || s->shut) {
		s->err = 0;
		return fails(err ? err : EPIPE);
	}
	if (n <= room && !(n > 1 && dice_rare(64)))
		return (ssize_t)n;
	s->full = true;
	if (!room)
		return fails(EAGAIN);
	/* Also with room: the kernel may be short of memory. */
	return n > room ? (ssize_t)room : (ssize_t)dice_between(1, (uint32_t)n - 1);
}

static ssize_t give(struct sock *s, const struct iovec *piece, size_t pieces)
{
	WORLD_RUNS();
	size_t all = 0, left;
	ssize_t n;

	for (size_t i = 0; i < pieces; i++)
		all += piece[i].iov_len;
	n = room_for(s, all);
	if (n < 0) {
		world_log("send fails", s->id, all, (uint64_t)errno);
		world.moved += errno != EAGAIN;
		return n;
	}
	left = (size_t)n;
	for (size_t i = 0; left; i++) {
		size_t part = piece[i].iov_len < left ? piece[i].iov_len : left;

		http1_bytes_add(&s->out, piece[i].iov_base, part);
		left -= part;
	}
	world_log("send", s->id, (uint64_t)n, all);
	world.moved++;
	oracle_sends(s, (size_t)n);
	return n;
}

ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags)
{
	struct iovec piece = {(void *)buf, len};
	struct sock *s = sock_of(fd);

	return s ? give(s, &piece, 1) : __real_send(fd, buf, len, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct sock *s = sock_of(fd);

	return s ? give(s, m->msg_iov, m->msg_iovlen) : __real_sendmsg(fd, m, flags);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	struct sock *s = sock_of(fd);

	if (!s)
		return __real_recvmsg(fd, m, flags);
	m->msg_controllen = 0;
	return take(s, m->msg_iov->iov_base, m->msg_iov->iov_len, flags);
}

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	struct sock *s = sock_of(fd);
	uint64_t n;

	if (!s)
		return __real_write(fd, buf, len);
	if (s->kind != SOCK_EVENT)
		return __wrap_send(fd, buf, len, 0);
	memcpy(&n, buf, sizeof(n));
	s->count += n;
	sock_wake(s, EPOLLIN);
	return (ssize_t)len;
}

int __wrap_shutdown(int fd, int how)
{
	WORLD_RUNS();
	struct sock *s = sock_of(fd);

	if (!s)
		return __real_shutdown(fd, how);
	if (how != SHUT_WR)
		world_fail("#%u: shutdown(%d) is not played", s->id, how);
	world.moved++;
	if (s->state != TCP_OPEN || (s->shut && s->fin_arrived && s->in_fin))
		return fails(ENOTCONN);
	world_log("shutdown", s->id, sock_pending(s), 0);
	oracle_shuts(s);
	s->shut = true;
	sock_wake(s, 0);
	return 0;
}

/* --- questions -------------------------------------------------------------------------------- */

/* <net/tcp_states.h> has these for the kernel, netinet/tcp.h differs from linux/tcp.h. */
enum {
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT,
	STATE_FIN_WAIT1 = 4,
	STATE_FIN_WAIT2,
	STATE_CLOSE = 7,
	STATE_CLOSE_WAIT,
	STATE_LAST_ACK
};

static uint8_t state_of(const struct sock *s)
{
	if (s->state == TCP_CONNECTING)
		return STATE_SYN_SENT;
	if (s->state != TCP_OPEN || (s->in_fin && s->fin_arrived))
		return STATE_CLOSE;
	if (s->in_fin)
		return s->shut ? STATE_LAST_ACK : STATE_CLOSE_WAIT;
	return !s->shut ? STATE_ESTABLISHED : s->fin_arrived ? STATE_FIN_WAIT2 : STATE_FIN_WAIT1;
}

/* A SYN and a FIN count as a byte each, in the direction in which they went. */
static uint64_t acked_of(const struct sock *s)
{
	return s->out_acked + s->fin_arrived + (s->kind == SOCK_APP && s->was_open);
}

static void tell_info(const struct sock *s, void *val, socklen_t *len)
{
	struct tcp_info info = {.tcpi_state = state_of(s),
				.tcpi_bytes_received = s->in.len + s->in_fin,
				.tcpi_bytes_acked = acked_of(s),
				.tcpi_unacked = network_has(s),
				.tcpi_notsent_bytes = (uint32_t)sock_pending(s)};

	if (*len > sizeof(info))
		*len = sizeof(info);
	memcpy(val, &info, *len);
}

int __wrap_getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	struct sock *s = sock_of(fd);

	if (!s)
		return __real_getsockopt(fd, level, name, val, len);
	if (level == IPPROTO_TCP && name == TCP_INFO) {
		tell_info(s, val, len);
		return 0;
	}
	if (level == SOL_SOCKET && name == SO_ERROR) {
		*(int *)val = s->err;
		s->err = 0;
		return 0;
	}
	return fails(ENOPROTOOPT);
}

int __wrap_setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	struct sock *s = sock_of(fd);

	if (!s)
		return __real_setsockopt(fd, level, name, val, len);
	if (level == SOL_SOCKET && name == SO_LINGER)
		s->reset_on_close = ((const struct linger *)val)->l_onoff;
	return 0;
}

int __wrap_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct sock *s = sock_of(fd);

	if (!s)
		return __real_getsockname(fd, addr, len);
	*len = addr_len(&s->near);
	memcpy(addr, &s->near, *len);
	return 0;
}

int __wrap_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct sock *s = sock_of(fd);

	if (!s)
		return __real_getpeername(fd, addr, len);
	if (s->state != TCP_OPEN)
		return fails(ENOTCONN);
	*len = addr_len(&s->far);
	memcpy(addr, &s->far, *len);
	return 0;
}

/* --- time, events ----------------------------------------------------------------------------- */

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (!world.on || clock != CLOCK_MONOTONIC)
		return __real_clock_gettime(clock, ts);
	ts->tv_sec = (time_t)(world.now_us / 1000000);
	ts->tv_nsec = (long)(world.now_us % 1000000) * 1000;
	return 0;
}

/* For dates only. */
time_t __wrap_time(time_t *t)
{
	time_t now = world.on ? WORLD_DATE : __real_time(NULL);

	if (t)
		*t = now;
	return now;
}

int __wrap_eventfd(unsigned count, int flags)
{
	WORLD_RUNS();
	struct sock *s;

	if (!world.on)
		return __real_eventfd(count, flags);
	s = sock_new(SOCK_EVENT);
	s->count = count;
	return sock_open(s);
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	for (nfds_t i = 0; i < n; i++)
		if (sock_of(fds[i].fd))
			world_fail("poll() of a socket of the world is not played");
	return __real_poll(fds, n, ms);
}

int __wrap_fcntl(int fd, int what, ...)
{
	va_list ap;
	long arg;

	va_start(ap, what);
	arg = va_arg(ap, long);
	va_end(ap);
	return sock_of(fd) ? 0 : __real_fcntl(fd, what, arg);
}

/* --- memory ----------------------------------------------------------------------------------- */

/* Not while kedge is looked at for lost wakeups: this would be another thing that happens. */
static bool no_memory(void)
{
	if (!world.kedge_runs || world.looks || !world.memory_after || --world.memory_after)
		return false;
	world_log("no memory", 0, 0, 0);
	cover_count(COVER_MEMORY_FAULTS);
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return no_memory() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return no_memory() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return no_memory() ? NULL : __real_realloc(p, size);
}
