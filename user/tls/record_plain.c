/* SPDX-License-Identifier: BSD-2-Clause */
/* A client leg without TLS: the socket as it is. */
#include "tls/record_plain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

static int dead(struct record *r, int err)
{
	r->reason = KEDGE_REASON_client_reset;
	return err == EPIPE ? -EPIPE : -ECONNRESET;
}

static ssize_t plain_read(struct record *r, void *buf, size_t len)
{
	ssize_t n;

	do
		n = recv(r->fd, buf, len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : dead(r, errno);
	if (n == 0 && len)
		r->clean_end = true;
	r->drained = (size_t)n < len;
	return n;
}

static ssize_t plain_write(struct record *r, const void *buf, size_t len)
{
	ssize_t n;

	do
		n = send(r->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : dead(r, errno);
	return n;
}

/* Into an empty pipe, -EAGAIN is the socket's. */
static ssize_t plain_splice_in(struct record *r, int pipe_fd, size_t len)
{
	ssize_t n;

	do
		n = splice(r->fd, NULL, pipe_fd, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : dead(r, errno);
	if (n == 0)
		r->clean_end = true;
	r->drained = false;
	return n;
}

static ssize_t plain_splice_out(struct record *r, int pipe_fd, size_t len)
{
	ssize_t n;

	do
		n = splice(pipe_fd, NULL, r->fd, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : dead(r, errno);
	return n;
}

static int plain_flush(struct record *r)
{
	return 0;
}

static int plain_close_write(struct record *r)
{
	/* ENOTCONN: it was ended before, or the client has reset the connection. */
	if (shutdown(r->fd, SHUT_WR) < 0 && errno != ENOTCONN)
		return -errno;
	return 0;
}

ssize_t record_socket_drain(int fd, void *buf, size_t len)
{
	ssize_t n = recv(fd, buf, len, MSG_DONTWAIT);

	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

static ssize_t plain_drain(struct record *r, void *buf, size_t len)
{
	return record_socket_drain(r->fd, buf, len);
}

static void plain_free(struct record *r)
{
	free(r);
}

static const struct record_ops plain_ops = {
	.name = "plain",
	.read = plain_read,
	.write = plain_write,
	.splice_in = plain_splice_in,
	.splice_out = plain_splice_out,
	.flush = plain_flush,
	.close_write = plain_close_write,
	.drain = plain_drain,
	.free = plain_free,
};

struct record *record_plain_new(int fd, struct record_scratch *scratch)
{
	struct record *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->ops = &plain_ops;
	r->scratch = scratch;
	r->fd = fd;
	return r;
}
