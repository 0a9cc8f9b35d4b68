/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: editors put the client's address into the requests of a flow. They share one
 * interface:
 *   edit_user.c   runs the automaton (include/kedge/http1.h) over the mover's buffer
 *   edit_bpf.c    sends the bytes unread; the sk_msg program on the app leg runs the same automaton
 *   edit_none.c   for mode tcp, where there are no requests
 *   edit_watch.c  wraps another editor and shows the heads that pass
 * The mover drives an editor and reads its note. It never looks at a request itself. An editor's
 * memory comes from the `brief` that it is made with, which may be NULL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/brief.h"
#include "kedge/abi.h"

struct edit;
struct http1_conf;

struct edit_ops {
	const char *name; /* "user", "kernel", "none" */
	ssize_t (*send)(struct edit *e, const void *buf, size_t len);
	uint64_t (*body_rest)(struct edit *e);
	ssize_t (*body)(struct edit *e, const void *buf, size_t len);
	ssize_t (*splice)(struct edit *e, int pipe_fd, size_t len);
	int (*flush)(struct edit *e);
	int (*resume)(struct edit *e, bool tunnel);
	void (*renew)(struct edit *e, const struct http1_conf *conf);
	void (*free)(struct edit *e);
};

struct edit {
	const struct edit_ops *ops;
	struct kedge_note *note; /* where the request stream is; read-only for the mover */
	struct kedge_stats *stats;
	int fd; /* the app leg, connected, non-blocking; borrowed */
	/*
	 * With -EPROTO: the fault is in the body of the last request in note->requests. The
	 * application has the head and will never get the whole body, so it will not answer.
	 */
	bool cut_off;
	bool holds; /* bytes that were taken are not sent: edit_flush() */
};

/*
 * Takes up to len request bytes and returns how many. Fewer than len only if
 *   the app leg is full: the next call gives -EAGAIN until EPOLLOUT and edit_flush(); or
 *   note->standing became KEDGE_WAITING: keep the rest and call edit_resume() first.
 * Errors:
 *   -EAGAIN              nothing was taken
 *   -EPROTO              refused: note->standing is KEDGE_REFUSED, note->reason says why. Complete
 *                        requests before the fault have gone out; nothing of the faulty one has in
 *                        this call.
 *   -EPIPE, -ECONNRESET  the application has closed the connection
 *   -EIO                 a failure on our side, note->reason says which. Close the flow.
 */
static inline ssize_t edit_send(struct edit *e, const void *buf, size_t len)
{
	return e->ops->send(e, buf, len);
}

/*
 * How many of the next request bytes belong to a body with a Content-Length. 0: others come next,
 * or this is not known. May take a system call.
 */
static inline uint64_t edit_body_rest(struct edit *e)
{
	return e->ops->body_rest ? e->ops->body_rest(e) : 0;
}

/* As edit_send(), with bytes of such a body and none behind it. They may go in larger pieces. */
static inline ssize_t edit_body(struct edit *e, const void *buf, size_t len)
{
	return e->ops->body ? e->ops->body(e, buf, len) : e->ops->send(e, buf, len);
}

/*
 * Takes up to len bytes of such a body from a pipe, unread. The pipe has at least as many, and so
 * has the body: anything else is refused with -EIO. Returns how many bytes have gone, and errors,
 * as edit_send() does.
 */
static inline ssize_t edit_splice(struct edit *e, int pipe_fd, size_t len)
{
	return e->ops->splice(e, pipe_fd, len);
}

/* Sends bytes that were taken and not sent. 0: nothing left; -EAGAIN; other errors as above. */
static inline int edit_flush(struct edit *e)
{
	return e->ops->flush(e);
}

/*
 * After KEDGE_WAITING: the application answered 101 (tunnel: from now on bytes pass unread) or
 * anything else (the next byte begins a new request). 0 or -errno; then the flow must be closed.
 */
static inline int edit_resume(struct edit *e, bool tunnel)
{
	return e->ops->resume(e, tunnel);
}

/*
 * From the next request on, the client is another one, or its text is. Only at KEDGE_BETWEEN, with
 * nothing held. An editor that has no text has no renew().
 */
static inline void edit_renew(struct edit *e, const struct http1_conf *conf)
{
	e->ops->renew(e, conf);
}

/*
 * Frees the editor and all that it holds, map entries and the note's slot included. NULL is fine.
 * Call it before the socket is closed.
 */
static inline void edit_free(struct edit *e)
{
	if (e)
		e->ops->free(e);
}
