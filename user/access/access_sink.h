/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: where the access log's lines go: standard output, a file (or FIFO), or the journal.
 * The only file that knows how the journal is spoken to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ACCESS_TO_STDOUT  "stdout"
#define ACCESS_TO_JOURNAL "journal"

enum sink_kind {
	SINK_FILE,    /* takes all that it is given */
	SINK_STREAM,  /* a pipe or terminal: what it has room for, after POLLOUT */
	SINK_SOCKET,  /* a stream socket on standard output */
	SINK_JOURNAL, /* a datagram a line */
};

struct sink {
	const char *target; /* borrowed */
	int fd;             /* -1: not open */
	enum sink_kind kind;
};

/*
 * Opens `target`: ACCESS_TO_STDOUT, ACCESS_TO_JOURNAL or a path, which is made with mode 0640 if it
 * is not there. 0 or -errno.
 */
int sink_open(struct sink *s, const char *target);

/*
 * Opens the same path anew, for after a rotation; the old one stays when that fails. 0 or -errno.
 */
int sink_reopen(struct sink *s);

/*
 * Takes some of text[0..len), which is whole lines, and returns how much: all, as much as there is
 * room for, or one line. -EAGAIN: wait for POLLOUT on s->fd first. Another -errno: the first line
 * can not be written. Never waits, but for a disk.
 */
ssize_t sink_write(struct sink *s, const char *text, size_t len);

void sink_close(struct sink *s);
