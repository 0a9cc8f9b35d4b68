/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/edit_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

/* A dead connection has many errors. The mover tells two of them apart. */
int edit_socket_failed(struct edit *e, int err)
{
	switch (err) {
	case EPIPE:
	case ECONNRESET:
		return -err;
	case ENOMEM:
	case ENOBUFS:
		e->note->reason = KEDGE_REASON_no_memory;
		return -EIO;
	}
	return -ECONNRESET;
}

ssize_t edit_socket_send(struct edit *e, struct iovec *piece, size_t pieces)
{
	struct msghdr m = {.msg_iov = piece, .msg_iovlen = pieces};
	ssize_t n;

	do
		n = sendmsg(e->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	return n < 0 ? edit_socket_failed(e, errno) : n;
}

ssize_t edit_socket_splice(struct edit *e, int pipe_fd, size_t len)
{
	ssize_t n;

	do
		n = splice(pipe_fd, NULL, e->fd, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	return n < 0 ? edit_socket_failed(e, errno) : n;
}
