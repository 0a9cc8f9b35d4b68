/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The editor of listeners in mode tcp. The flow is a tunnel from its first byte on: bytes are
 * neither read nor kept.
 */
#include "http/edit_none.h"

#include <errno.h>
#include <stdlib.h>

#include "http/edit_socket.h"

struct edit_none {
	struct edit edit;
	struct kedge_note note;
};

static ssize_t edit_none_send(struct edit *e, const void *buf, size_t len)
{
	struct iovec v = {(void *)buf, len};
	ssize_t n = edit_socket_send(e, &v, 1);

	return n || !len ? n : -EAGAIN;
}

static int edit_none_flush(struct edit *e)
{
	(void)e;
	return 0;
}

static int edit_none_resume(struct edit *e, bool tunnel)
{
	(void)e;
	(void)tunnel;
	return 0;
}

static void edit_none_free(struct edit *e)
{
	free(e);
}

struct edit *edit_none_new(int fd, struct kedge_stats *stats)
{
	static const struct edit_ops ops = {
		.name = "none",
		.send = edit_none_send,
		.flush = edit_none_flush,
		.resume = edit_none_resume,
		.free = edit_none_free,
	};
	struct edit_none *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->note.standing = KEDGE_TUNNEL;
	n->edit = (struct edit){.ops = &ops, .note = &n->note, .stats = stats, .fd = fd};
	return &n->edit;
}
