/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: sending from user space, for the editors that do it. */
#pragma once

#include <sys/uio.h>

#include "http/edit.h"

/*
 * Sends the pieces as one message. Returns how many bytes the socket took, 0 when it is full, or an
 * error as in edit.h.
 */
ssize_t edit_socket_send(struct edit *e, struct iovec *piece, size_t pieces);

/* The same for len bytes of a pipe. */
ssize_t edit_socket_splice(struct edit *e, int pipe_fd, size_t len);

/* The error of edit.h for an errno of sendmsg(2) or malloc(3). Sets the note's reason for -EIO. */
int edit_socket_failed(struct edit *e, int err);
