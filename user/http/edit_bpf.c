/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The editor for flows whose requests are edited by the sk_msg program on the app leg. It sends
 * bytes unread, and makes sure that the kernel never cuts a send short.
 *
 * If the kernel cut a send short after the program ran, the automaton would be ahead of the wire.
 * So a send is made only if the socket has room for it at its largest. poll() says "writable" when
 * a third of the send buffer is free. Bytes sent since then are charged against that third, with
 * their worst growth. When the next send might not fit, poll() is asked again.
 */
#include "http/edit_bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/check.h"
#include "base/cleanup.h"
#include "http/http1_check.h"

/* Asked for; the kernel doubles it for its own overhead. */
#define SNDBUF            (1 << 20)
/* In a smaller buffer, a third does not hold one edited head. */
#define SNDBUF_MIN        (3 * 64 * 1024)
/* A socket buffer's overhead, counted against the send buffer: struct, shared info, linear part. */
#define SKB_COST          2300
/* The program splits a message into parts of at least this many requests (bpf/edit.bpf.h, I3). */
#define REQUESTS_PER_PART 7
/* Of one splice: so many pieces are in a pipe, and the first and the last may be cut. */
#define SPLICE_PAGES_MAX  17
_Static_assert(KEDGE_SEND_BYTES_MAX + (SPLICE_PAGES_MAX + 2) * SKB_COST <= SNDBUF_MIN / 3,
	       "a splice of the largest size has room in the smallest buffer");

struct edit_bpf {
	struct edit e;
	struct kbpf *bpf;
	struct kbpf_flow flow;
	uint32_t room;    /* bytes that fit when poll() says writable */
	uint32_t charged; /* bytes of these that may be in use since then */
	uint32_t send_max, body_max;
	uint32_t growth; /* of one head */
	bool corked;     /* the next send is corked until it has returned */
};

static struct edit_bpf *self(struct edit *e)
{
	return (struct edit_bpf *)e;
}

/*
 * The most that a Connection line grows when it is put back: a space behind the colon and each
 * comma.
 */
#define OPTIONS_GROWTH (HTTP1_OPTIONS_MAX / 2)

/* How much of the send buffer a send of len bytes with that many requests takes. */
static uint32_t cost(const struct edit_bpf *eb, uint32_t len, uint32_t requests)
{
	return len + requests * (eb->growth + OPTIONS_GROWTH) +
	       (requests / REQUESTS_PER_PART + 2) * SKB_COST;
}

static uint32_t worst_cost(const struct edit_bpf *eb, uint32_t len)
{
	return cost(eb, len, len / KEDGE_REQUEST_BYTES_MIN + 1);
}

/*
 * The same for bytes of a body. Of spliced ones, older kernels make a message of each page
 * (tcp_bpf_sendpage()); a message of others may be a page in each of its parts.
 */
static uint32_t body_cost(uint32_t len)
{
	return len + (SPLICE_PAGES_MAX + 2) * SKB_COST;
}

/* True if a send of this cost can go whole. If not, EPOLLOUT will come: poll() has armed it. */
static bool has_room(struct edit_bpf *eb, uint32_t cost)
{
	struct pollfd p = {.fd = eb->e.fd, .events = POLLOUT};

	if (eb->charged + cost <= eb->room)
		return true;
	if (poll(&p, 1, 0) < 1 || !(p.revents & (POLLOUT | POLLERR | POLLHUP)))
		return false;
	eb->charged = 0;
	return true;
}

static ssize_t failed(struct edit_bpf *eb, uint8_t reason)
{
	eb->e.note->standing = KEDGE_REFUSED;
	eb->e.note->reason = reason;
	return -EIO;
}

/* A reset connection cuts a send short, too. */
static bool is_dead(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) == 1 && p.revents & (POLLERR | POLLHUP);
}

/*
 * Spare bytes are appended if a head may end in the message: the program writes the text there, or
 * removes them. They must be zero, which stops its search for the end of a value.
 */
static const uint8_t spare[HTTP1_TEXT_MAX];
_Static_assert(sizeof(spare) > UINT8_MAX, "text_len is a byte");

static size_t spare_for(const struct edit_bpf *eb)
{
	switch (eb->e.note->standing) {
	case KEDGE_BETWEEN:
	case KEDGE_HEAD:
		return eb->growth;
	}
	return 0;
}

/* Sends the bytes that MSG_MORE held back. */
static void uncork(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/*
 * One sendmsg() and its accounting. Returns what sendmsg() returned, or -errno. If the program
 * leaves a message in several elements (several heads, lines taken out), the kernel sends each in
 * its own segment. After such a message the next one is corked, since it is probably similar.
 */
static ssize_t transmit(struct edit_bpf *eb, const void *buf, uint32_t len)
{
	struct kedge_note *note = eb->e.note;
	struct iovec v[2] = {{(void *)buf, len}, {(void *)spare, spare_for(eb)}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = v[1].iov_len ? 2 : 1};
	uint64_t redirected = eb->e.stats->steer_redirected;
	uint32_t requests = note->requests;
	ssize_t r;

	note->spare = (uint8_t)v[1].iov_len;
	note->sending = len + note->spare;
	r = sendmsg(eb->e.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL | (eb->corked ? MSG_MORE : 0));
	if (r < 0)
		r = -errno;
	note->spare = 0;
	if (eb->corked)
		uncork(eb->e.fd);
	/* A redirected message has no segments. */
	eb->corked = note->scattered && eb->e.stats->steer_redirected == redirected;
	eb->charged += cost(eb, len, note->requests - requests);
	return r;
}

#ifdef KEDGE_CHECKS
/* Between two sends. */
static void bpf_check(const struct edit_bpf *eb)
{
	CHECK(eb, eb->flow.cookie && eb->e.note == eb->flow.note);
	CHECK(eb, eb->send_max && eb->send_max <= KEDGE_SEND_BYTES_MAX);
	CHECK(eb, worst_cost(eb, eb->send_max) <= eb->room);
	CHECK(eb, eb->body_max && eb->body_max <= KEDGE_BODY_BYTES_MAX);
	CHECK(eb, body_cost(eb->body_max) <= eb->room);
	CHECK(eb, eb->growth <= HTTP1_TEXT_MAX);
	note_check(eb->e.note);
}

/* After a send of len bytes. */
static void sent_check(const struct edit_bpf *eb, const struct kedge_note *before, uint32_t len)
{
	const struct kedge_note *after = eb->e.note;
	uint32_t heads = after->requests - before->requests;

	CHECK(eb, heads <= len / KEDGE_REQUEST_BYTES_MIN + 1);
	CHECK_IF(eb, heads, after->runs != before->runs);
	CHECK(eb, after->withheld <= len);
	bpf_check(eb);
}
#endif

/*
 * What a send or a splice of len bytes has come to, that returned r: how many bytes were taken, or
 * the editor's error. `runs`, in_body: as they were before it.
 */
static ssize_t outcome(struct edit_bpf *eb, ssize_t r, uint32_t len, uint32_t runs, bool in_body)
{
	struct kedge_note *note = eb->e.note;

	if (note->standing == KEDGE_REFUSED) {
		/* With a boundary before the fault, the program would have run twice. */
		eb->e.cut_off = in_body && note->runs == runs + 1;
		return note->reason == KEDGE_REASON_edit_failed ? -EIO : -EPROTO;
	}
	/* The program was detached: the bytes went out unedited. */
	if (r >= 0 && note->runs == runs && eb->flow.edits)
		return failed(eb, KEDGE_REASON_capability_lost);
	if (r == (ssize_t)note->sending)
		return (ssize_t)len - note->withheld;
	if (r == -EPIPE || r == -ECONNRESET)
		return r;
	if (r == -EAGAIN && note->runs == runs) {
		eb->charged = eb->room; /* poll() before the next one */
		return -EAGAIN;
	}
	if (is_dead(eb->e.fd))
		return -ECONNRESET;
	return failed(eb, r < 0 && r != -EAGAIN ? KEDGE_REASON_internal_error
						: KEDGE_REASON_edit_short_send);
}

static ssize_t send_piece(struct edit_bpf *eb, const void *buf, uint32_t len)
{
	struct kedge_note *note = eb->e.note;
	bool in_body = note->standing == KEDGE_BODY;
	uint32_t runs = note->runs;
#ifdef KEDGE_CHECKS
	const struct kedge_note before = *note;
#endif
	ssize_t r = transmit(eb, buf, len);

	CHECKED(sent_check(eb, &before, len));
	return outcome(eb, r, len, runs, in_body);
}

/* The program counts the bytes of a body, and looks at none of them. */
static ssize_t splice_piece(struct edit_bpf *eb, int pipe_fd, uint32_t len)
{
	struct kedge_note *note = eb->e.note;
	uint32_t runs = note->runs;
#ifdef KEDGE_CHECKS
	const struct kedge_note before = *note;
#endif
	ssize_t r;

	note->sending = len;
	r = splice(pipe_fd, NULL, eb->e.fd, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (r < 0)
		r = -errno;
	eb->charged += body_cost(len);
	CHECKED(sent_check(eb, &before, len));
	return outcome(eb, r, len, runs, true);
}

/* What a whole send does piece by piece. */
struct piecewise {
	uint32_t max;    /* bytes of a piece, at most */
	bool body;       /* they are bytes of a body */
	const char *buf; /* where they are; NULL: in the pipe */
	int pipe_fd;
};

/* Sends up to len bytes. Returns how many went, -EAGAIN if none can go now, or -errno. */
static ssize_t send_pieces(struct edit_bpf *eb, const struct piecewise *p, size_t len)
{
	size_t done = 0;

	while (done < len && eb->e.note->standing != KEDGE_WAITING) {
		uint32_t n = len - done < p->max ? (uint32_t)(len - done) : p->max;
		ssize_t r = -EAGAIN;

		if (has_room(eb, p->body ? body_cost(n) : worst_cost(eb, n)))
			r = p->buf ? send_piece(eb, p->buf + done, n)
				   : splice_piece(eb, p->pipe_fd, n);
		if (r == -EAGAIN)
			return done ? (ssize_t)done : r;
		if (r < 0)
			return r;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

static ssize_t edit_bpf_send(struct edit *e, const void *buf, size_t len)
{
	const struct piecewise p = {.max = self(e)->send_max, .buf = buf};

	return e->note->standing == KEDGE_REFUSED ? -EPROTO : send_pieces(self(e), &p, len);
}

static ssize_t edit_bpf_body(struct edit *e, const void *buf, size_t len)
{
	const struct piecewise p = {.max = self(e)->body_max, .body = true, .buf = buf};

	return e->note->standing == KEDGE_BODY ? send_pieces(self(e), &p, len) : -EIO;
}

static uint64_t edit_bpf_body_rest(struct edit *e)
{
	return e->note->standing == KEDGE_BODY ? kbpf_flow_body_rest(self(e)->bpf, &self(e)->flow)
					       : 0;
}

static ssize_t edit_bpf_splice(struct edit *e, int pipe_fd, size_t len)
{
	const struct piecewise p = {.max = KEDGE_SEND_BYTES_MAX, .body = true, .pipe_fd = pipe_fd};

	return e->note->standing == KEDGE_BODY ? send_pieces(self(e), &p, len) : -EIO;
}

/* There are never bytes that were taken and not sent. */
static int edit_bpf_flush(struct edit *e)
{
	return 0;
}

static int edit_bpf_resume(struct edit *e, bool tunnel)
{
	return kbpf_flow_resume(self(e)->bpf, &self(e)->flow, tunnel);
}

/* The most that fits a send depends on the text. */
static void set_text(struct edit_bpf *eb, const struct http1_conf *conf)
{
	if (conf)
		kbpf_flow_set_text(&eb->flow, conf);
	eb->growth = eb->flow.text_len;
	eb->send_max = KEDGE_SEND_BYTES_MAX;
	while (worst_cost(eb, eb->send_max) > eb->room)
		eb->send_max /= 2;
}

static void edit_bpf_renew(struct edit *e, const struct http1_conf *conf)
{
	struct edit_bpf *eb = self(e);

	CHECKED(CHECK(eb, e->note->standing == KEDGE_BETWEEN && eb->flow.edits));
	CHECKED(http1_conf_check(conf));
	set_text(eb, conf);
	/* The program reads it with the next message. It may have to read first of an upgrade. */
	if (e->note->command == KEDGE_COMMAND_NONE)
		e->note->command = KEDGE_COMMAND_NEXT;
	e->cut_off = false;
	CHECKED(bpf_check(eb));
}

static void edit_bpf_free(struct edit *e)
{
	kbpf_flow_del(self(e)->bpf, &self(e)->flow);
	brief_give(e);
}

static const struct edit_ops ops = {
	.name = "kernel",
	.send = edit_bpf_send,
	.body_rest = edit_bpf_body_rest,
	.body = edit_bpf_body,
	.splice = edit_bpf_splice,
	.flush = edit_bpf_flush,
	.resume = edit_bpf_resume,
	.renew = edit_bpf_renew,
	.free = edit_bpf_free,
};

/* Sets a fixed, large send buffer. Returns its size as the kernel counts it, or -errno. */
static int widen(int fd)
{
	int size = SNDBUF, all = INT_MAX;
	socklen_t len = sizeof(size);

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0)
		return -errno;
	/* A low net.ipv4.tcp_notsent_lowat would stop a send that has room in the buffer. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &all, sizeof(all)) < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) < 0)
		return -errno;
	return size < SNDBUF_MIN ? -ENOBUFS : size;
}

bool edit_bpf_has_room(void)
{
	_cleanup_(close_fdp)
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && widen(fd) >= SNDBUF;
}

struct edit *edit_bpf_new(int fd, struct kbpf *bpf, const struct kbpf_flow *flow,
			  struct kedge_stats *stats, struct brief *brief)
{
	struct edit_bpf *eb;
	int sndbuf = widen(fd);

	if (sndbuf < 0) {
		errno = -sndbuf;
		return NULL;
	}
	eb = brief_take(brief, sizeof(*eb));
	if (!eb)
		return NULL;
	eb->e = (struct edit){.ops = &ops, .note = flow->note, .stats = stats, .fd = fd};
	eb->bpf = bpf;
	eb->flow = *flow;
	eb->room = (uint32_t)sndbuf / 3;
	eb->charged = eb->room;
	set_text(eb, NULL);
	eb->body_max = KEDGE_BODY_BYTES_MAX;
	while (body_cost(eb->body_max) > eb->room)
		eb->body_max /= 2;
	return &eb->e;
}
