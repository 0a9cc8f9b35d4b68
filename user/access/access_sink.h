/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the sink of the access log: standard output, a file, a FIFO, or the journal. The only
 * file that knows the journal's protocol.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ACCESS_TO_STDOUT  "stdout"
#define ACCESS_TO_JOURNAL "journal"

enum sink_kind {
	SINK_FILE,    /* takes everything at once */
	SINK_STREAM,  /* a pipe or terminal: takes a part, after POLLOUT */
	SINK_SOCKET,  /* a stream socket on standard output */
	SINK_JOURNAL, /* one datagram per line */
};

struct sink {
	const char *target; /* borrowed */
	int fd;             /* -1: not open */
	enum sink_kind kind;
};

/*
 * Opens `target`: ACCESS_TO_STDOUT, ACCESS_TO_JOURNAL or a path. A missing file is created with
 * mode 0640. 0 or -errno; then *s is unchanged.
 */
int sink_open(struct sink *s, const char *target);

/*
 * Opens the target again, after a rotation. 0 or -errno; then the old one stays open.
 */
int sink_reopen(struct sink *s);

/*
 * Writes a part of text[0..len), which is whole lines. Returns its length: all, as much as fits, or
 * one line. -EAGAIN: wait for POLLOUT on s->fd first. Another -errno: the first line cannot be
 * written. Never blocks, except on a disk.
 */
ssize_t sink_write(struct sink *s, const char *text, size_t len);

/* Twice is fine. */
void sink_close(struct sink *s);
