/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: who puts the client's address into the requests of a flow. Editors behind one
 * interface:
 *   edit_user.c  runs the automaton (include/kedge/http1.h) over the mover's buffer
 *   edit_bpf.c   sends the bytes unread; the sk_msg program on the app leg runs the same automaton
 *   edit_none.c  mode tcp: there are no requests
 * The mover drives an edit and reads its note; it never looks at a request itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kedge/abi.h"

struct edit;

struct edit_ops {
	const char *name; /* "user", "kernel", "none" */
	ssize_t (*send)(struct edit *e, const void *buf, size_t len);
	int (*flush)(struct edit *e);
	int (*resume)(struct edit *e, bool tunnel);
	void (*free)(struct edit *e);
};

struct edit {
	const struct edit_ops *ops;
	struct kedge_note *note; /* where the request stream stands; read-only for the mover */
	struct kedge_stats *stats;
	int fd; /* the app leg, connected, non-blocking; borrowed */
	/* With -EPROTO: the fault lies in the body of the last request in note->requests. What was
	 * complete of it has gone on; the application will never have it whole, nor answer it. */
	bool cut_off;
};

/*
 * Takes up to len request bytes and returns how many. Fewer than len only when
 *   the app leg is full: the next call gives -EAGAIN until EPOLLOUT and edit_flush(); or
 *   note->standing became KEDGE_WAITING: keep the rest, call edit_resume() first.
 * -EAGAIN: nothing taken. -EPROTO: refused, note->standing is KEDGE_REFUSED with note->reason;
 * complete requests before the fault have gone out, nothing of the faulty one from this call has.
 * -EPIPE, -ECONNRESET: the application is gone. -EIO: a kernel-side failure, note->reason says
 * which; the flow must be closed.
 */
static inline ssize_t edit_send(struct edit *e, const void *buf, size_t len)
{
	return e->ops->send(e, buf, len);
}

/* Sends what was taken and not sent. 0: nothing left; -EAGAIN; dead as above. */
static inline int edit_flush(struct edit *e)
{
	return e->ops->flush(e);
}

/*
 * After KEDGE_WAITING: the application answered 101 (tunnel: from now on bytes pass unread) or
 * anything else (the next byte begins a new request). 0 or -errno (flow must be closed).
 */
static inline int edit_resume(struct edit *e, bool tunnel)
{
	return e->ops->resume(e, tunnel);
}

/* Frees what the edit holds (map entries and the note's slot included), NULL is fine. Call before
 * the socket is closed. */
static inline void edit_free(struct edit *e)
{
	if (e)
		e->ops->free(e);
}
