/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * edit_*.c only: sending from user space, for the editors that do it. What an error means stands in
 * edit.h.
 */
#pragma once

#include <errno.h>
#include <sys/socket.h>

#include "http/edit.h"

/* Errors of a dead connection come in many kinds; the mover tells two apart. */
static inline int edit_failed(struct edit *e, int err)
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

/* How many bytes the socket took, 0 when it is full, or an error of edit.h. */
static inline ssize_t edit_send_pieces(struct edit *e, struct iovec *piece, size_t pieces)
{
	struct msghdr m = {.msg_iov = piece, .msg_iovlen = pieces};
	ssize_t n;

	do
		n = sendmsg(e->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	return n < 0 ? edit_failed(e, errno) : n;
}
