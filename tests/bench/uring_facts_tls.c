/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of uring_facts about kernel TLS: both ends have the same keys. A read finds four bytes
 * of data, then a close_notify, which is a record of another type: recvmsg(2) tells the type in a
 * control message.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uring_facts.h"
#include "tls/ktls.h"

/* False without kernel TLS. */
static bool tls_pair(int pair[2])
{
	static const uint8_t key[2][16] = {"one direction's", "the other one's"};
	static const uint8_t iv[12] = "any vector";
	union ktls_crypto a, b;

	connect_pair(pair, NULL, NULL, NULL);
	ktls_fill(&a, VERSION_TLS13, SUITE_AES_128_GCM, key[0], iv, 0);
	ktls_fill(&b, VERSION_TLS13, SUITE_AES_128_GCM, key[1], iv, 0);
	if (!ktls_take_over(pair[0], &a, &b) && !ktls_take_over(pair[1], &b, &a))
		return true;
	close(pair[0]);
	close(pair[1]);
	return false;
}

static void send_alert(int fd)
{
	static const uint8_t close_notify[] = {1, 0};

	check(!ktls_send_control(fd, TLS_CONTENT_ALERT, close_notify, sizeof(close_notify)),
	      "alert");
}

static void selects(struct io_uring_sqe *sqe)
{
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = FACTS_GROUP;
}

/* recv(2) has no room for a record's type. */
static void try_recv(int fd, int peer)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&facts_ring);
	uint8_t buf[64], type = 0;
	ssize_t n;

	check(send(peer, "data", 4, 0) == 4, "send");
	io_uring_prep_recv(sqe, fd, buf, sizeof(buf), 0);
	fact("kernel TLS, recv", "%s", named(run()));
	send_alert(peer);
	wait_readable(fd);
	sqe = io_uring_get_sqe(&facts_ring);
	io_uring_prep_recv(sqe, fd, buf, sizeof(buf), 0);
	fact("kernel TLS, recv at an alert", "%s", named(run()));
	n = ktls_recv(fd, buf, sizeof(buf), &type);
	fact("kernel TLS, recvmsg(2) after that", "%s of type %u", named((int)n), type);
}

static void try_multishot_recv(int fd, int peer)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&facts_ring);
	uint8_t *at, buf[64], type = 0;
	unsigned flags = 0;
	int n;

	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	selects(sqe);
	io_uring_submit(&facts_ring);
	check(send(peer, "data", 4, 0) == 4, "send");
	n = complete(&flags, &at);
	fact("kernel TLS, multishot recv", "%s%s", named(n),
	     flags & IORING_CQE_F_MORE ? ", goes on" : "");
	send_alert(peer);
	n = complete(&flags, &at);
	fact("kernel TLS, multishot recv at an alert", "%s%s", named(n),
	     flags & IORING_CQE_F_MORE ? ", goes on" : ", is over");
	n = (int)ktls_recv(fd, buf, sizeof(buf), &type);
	fact("kernel TLS, recvmsg(2) after that", "%s of type %u", named(n), type);
}

static void say_record(const char *name, int n, unsigned flags, uint8_t *at, struct msghdr *msg)
{
	struct io_uring_recvmsg_out *out = at ? io_uring_recvmsg_validate(at, n, msg) : NULL;
	struct cmsghdr *c = out ? io_uring_recvmsg_cmsg_firsthdr(out, msg) : NULL;

	if (!out) {
		fact(name, "%s%s", named(n), flags & IORING_CQE_F_MORE ? ", goes on" : ", is over");
		return;
	}
	fact(name, "%u bytes, %s %d%s", io_uring_recvmsg_payload_length(out, n, msg),
	     c ? "type" : "no type", c ? *CMSG_DATA(c) : 0,
	     flags & IORING_CQE_F_MORE ? ", goes on" : ", is over");
}

static void try_multishot_recvmsg(int fd, int peer)
{
	struct msghdr msg = {.msg_controllen = CMSG_SPACE(1)};
	struct io_uring_sqe *sqe = io_uring_get_sqe(&facts_ring);
	unsigned flags = 0;
	uint8_t *at;
	int n;

	io_uring_prep_recvmsg_multishot(sqe, fd, &msg, 0);
	selects(sqe);
	io_uring_submit(&facts_ring);
	check(send(peer, "data", 4, 0) == 4, "send");
	n = complete(&flags, &at);
	say_record("kernel TLS, multishot recvmsg", n, flags, at, &msg);
	send_alert(peer);
	n = complete(&flags, &at);
	say_record("kernel TLS, multishot recvmsg at an alert", n, flags, at, &msg);
}

static void try_recvmsg(int fd, int peer)
{
	uint8_t buf[64] = {0}, control[CMSG_SPACE(1)];
	struct iovec iov = {buf, sizeof(buf)};

	check(send(peer, "data", 4, 0) == 4, "send");
	send_alert(peer);
	for (int i = 0; i < 2; i++) {
		struct msghdr msg = {.msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control,
				     .msg_controllen = sizeof(control)};
		struct io_uring_sqe *sqe = io_uring_get_sqe(&facts_ring);
		const struct cmsghdr *c;
		int n;

		io_uring_prep_recvmsg(sqe, fd, &msg, 0);
		n = run();
		c = CMSG_FIRSTHDR(&msg);
		fact(i ? "kernel TLS, recvmsg at an alert" : "kernel TLS, recvmsg", "%s, type %d",
		     named(n), c ? *CMSG_DATA(c) : -1);
	}
}

static void try_send(int fd, int peer)
{
	static const int flags[] = {MSG_DONTWAIT, MSG_DONTWAIT | MSG_WAITALL};

	(void)peer;
	for (int i = 0; i < 2; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&facts_ring);

		io_uring_prep_send(sqe, fd, "data", 4, flags[i]);
		fact(i ? "kernel TLS, send with MSG_WAITALL" : "kernel TLS, send", "%s",
		     named(run()));
	}
}

static void try_splice(int fd, int peer)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&facts_ring);
	int ends[2];

	check(!pipe(ends), "pipe");
	check(send(peer, "data", 4, 0) == 4, "send");
	wait_readable(fd);
	io_uring_prep_splice(sqe, fd, -1, ends[1], -1, 4096, SPLICE_F_NONBLOCK);
	fact("kernel TLS, splice into a pipe", "%s", named(run()));
	send_alert(peer);
	wait_readable(fd);
	sqe = io_uring_get_sqe(&facts_ring);
	io_uring_prep_splice(sqe, fd, -1, ends[1], -1, 4096, SPLICE_F_NONBLOCK);
	fact("kernel TLS, splice at an alert", "%s", named(run()));
	close(ends[0]);
	close(ends[1]);
}

void tls_facts(void)
{
	static void (*const tries[])(int, int) = {try_recv,    try_multishot_recv,
						  try_recvmsg, try_multishot_recvmsg,
						  try_splice,  try_send};

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		int pair[2];

		if (!tls_pair(pair)) {
			fact("kernel TLS", "not on this kernel");
			return;
		}
		/* A ring for each, so that pending operations end with it. */
		open_ring();
		tries[i](pair[0], pair[1]);
		close_ring();
		close(pair[0]);
		close(pair[1]);
	}
}
