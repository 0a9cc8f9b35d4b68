/* SPDX-License-Identifier: BSD-2-Clause */
/* See move_ring.h. */
#include "move_ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENTRIES     4096
#define SOCKETS_MAX 4096

static void die(int err, const char *what)
{
	errno = -err;
	move_die(what);
}

/* The best set-up that the kernel accepts; older ones refuse unknown flags. */
static void open_ring(struct ring *r)
{
	const unsigned always = IORING_SETUP_CLAMP;
	struct io_uring_params p = {.flags = always | IORING_SETUP_SUBMIT_ALL |
					     IORING_SETUP_SINGLE_ISSUER |
					     IORING_SETUP_DEFER_TASKRUN};
	int err = -EINVAL;

	if (r->features & MOVE_DEFER)
		err = io_uring_queue_init_params(ENTRIES, &r->uring, &p);
	if (err) {
		r->features &= ~(unsigned)MOVE_DEFER;
		p = (struct io_uring_params){.flags = always | IORING_SETUP_SUBMIT_ALL};
		err = io_uring_queue_init_params(ENTRIES, &r->uring, &p);
	}
	if (err)
		die(err, "io_uring is not possible here (sysctl kernel.io_uring_disabled, or a "
			 "container's seccomp filter): --engine epoll is");
	if (!(p.features & IORING_FEAT_CQE_SKIP))
		r->features &= ~(unsigned)MOVE_SKIP;
}

static void register_buffers(struct ring *r)
{
	size_t shared_bytes = r->count * sizeof(struct io_uring_buf);
	struct io_uring_buf_reg reg = {.ring_entries = r->count, .bgid = RING_GROUP};
	int err;

	r->shared = mmap(NULL, shared_bytes, PROT_READ | PROT_WRITE,
			 MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);
	r->buffers = mmap(NULL, r->count * r->buffer_bytes, PROT_READ | PROT_WRITE,
			  MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);
	if (r->shared == MAP_FAILED || r->buffers == MAP_FAILED)
		move_die("mmap");
	reg.ring_addr = (uintptr_t)r->shared;
	err = io_uring_register_buf_ring(&r->uring, &reg, 0);
	if (err)
		die(err, "ring of buffers (Linux 5.19)");
	r->chunks = calloc(r->count, sizeof(*r->chunks));
	if (!r->chunks)
		move_die("calloc");
	io_uring_buf_ring_init(r->shared);
	for (unsigned i = 0; i < r->count; i++)
		ring_give_back(r, (uint16_t)i);
	ring_offer(r);
}

/* The index of a socket is its descriptor, so the table must hold the largest one. */
static void register_files(struct ring *r)
{
	struct rlimit limit = {SOCKETS_MAX, SOCKETS_MAX}, now;

	if (!getrlimit(RLIMIT_NOFILE, &now) && now.rlim_cur < SOCKETS_MAX)
		setrlimit(RLIMIT_NOFILE, &limit);
	if (io_uring_register_files_sparse(&r->uring, SOCKETS_MAX))
		r->features &= ~(unsigned)MOVE_FILES;
}

/* No kernel says whether it has a multishot recv: a byte through a socket pair shows it. */
static void try_multishot(struct ring *r)
{
	struct io_uring_sqe *sqe = ring_sqe(r);
	struct io_uring_cqe *cqe;
	bool more;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		move_die("socketpair");
	io_uring_prep_recv_multishot(sqe, pair[0], NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = RING_GROUP;
	if (write(pair[1], "x", 1) != 1)
		move_die("socketpair");
	close(pair[1]); /* so that it ends */
	io_uring_submit(&r->uring);
	do {
		int err = io_uring_wait_cqe(&r->uring, &cqe);

		if (err)
			die(err, "waiting for a completion");
		more = cqe->flags & IORING_CQE_F_MORE;
		if (cqe->flags & IORING_CQE_F_BUFFER)
			ring_give_back(r, (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT));
		if (cqe->res < 0)
			r->features &= ~(unsigned)MOVE_MULTISHOT;
		io_uring_cqe_seen(&r->uring, cqe);
	} while (more);
	close(pair[0]);
	ring_offer(r);
}

static void say(const struct ring *r)
{
	static const char *const names[] = {"deferred task run", "registered ring",
					    "registered sockets", "multishot recv",
					    "sends without completion"};

	printf("uring: %u buffers of %zu bytes", r->count, r->buffer_bytes);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (r->features & (1u << i))
			printf(", %s", names[i]);
	putchar('\n');
	fflush(stdout);
}

void ring_open(struct ring *r, const struct move *m)
{
	*r = (struct ring){
		.features = m->features, .count = m->buffers, .buffer_bytes = m->buffer_bytes};
	open_ring(r);
	register_buffers(r);
	if (r->features & MOVE_RING_FD && io_uring_register_ring_fd(&r->uring) != 1)
		r->features &= ~(unsigned)MOVE_RING_FD;
	if (r->features & MOVE_FILES)
		register_files(r);
	if (r->features & MOVE_MULTISHOT)
		try_multishot(r);
	say(r);
}

struct io_uring_sqe *ring_sqe(struct ring *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);

	if (sqe)
		return sqe;
	io_uring_submit(&r->uring);
	sqe = io_uring_get_sqe(&r->uring);
	if (!sqe)
		die(-EBUSY, "no room in the submission queue");
	return sqe;
}

void ring_give_back(struct ring *r, uint16_t id)
{
	io_uring_buf_ring_add(r->shared, ring_buffer(r, id), (unsigned)r->buffer_bytes, id,
			      io_uring_buf_ring_mask(r->count), (int)r->given_back++);
}

void ring_offer(struct ring *r)
{
	io_uring_buf_ring_advance(r->shared, (int)r->given_back);
	r->given_back = 0;
}

void ring_know(struct ring *r, int fd)
{
	int err;

	if (!(r->features & MOVE_FILES))
		return;
	err = io_uring_register_files_update(&r->uring, (unsigned)fd, &fd, 1);
	if (err != 1)
		die(err < 0 ? err : -EINVAL, "registering a socket");
}

void ring_forget(struct ring *r, int fd)
{
	int none = -1;

	if (r->features & MOVE_FILES)
		io_uring_register_files_update(&r->uring, (unsigned)fd, &none, 1);
	close(fd);
}

void queue_add(struct ring *r, struct queue *q, uint16_t id, uint32_t off, uint32_t len)
{
	r->chunks[id] = (struct chunk){.off = off, .len = len};
	if (!q->chunks++)
		q->first = id;
	else
		r->chunks[q->last].next = id;
	q->last = id;
}

unsigned queue_gather(const struct ring *r, const struct queue *q, struct iovec *to, unsigned most)
{
	unsigned count = q->chunks < most ? q->chunks : most;
	uint16_t id = q->first;

	for (unsigned i = 0; i < count; i++, id = r->chunks[id].next)
		to[i] = (struct iovec){ring_buffer(r, id) + r->chunks[id].off, r->chunks[id].len};
	return count;
}

void queue_drop(struct ring *r, struct queue *q, unsigned chunks)
{
	while (chunks--) {
		uint16_t id = q->first;

		q->first = r->chunks[id].next;
		q->chunks--;
		ring_give_back(r, id);
	}
}

void queue_sent(struct ring *r, struct queue *q, size_t bytes)
{
	while (q->chunks && bytes >= r->chunks[q->first].len) {
		bytes -= r->chunks[q->first].len;
		queue_drop(r, q, 1);
	}
	if (bytes) {
		r->chunks[q->first].off += (uint32_t)bytes;
		r->chunks[q->first].len -= (uint32_t)bytes;
	}
}
