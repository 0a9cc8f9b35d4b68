/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the pipes of a worker. Bytes that are spliced from one leg to the other go through
 * one. A flow has a pipe only while bytes of it are in there. So a few pipes serve many flows, and
 * what is kept for slow readers is bounded.
 */
#pragma once

#include <stddef.h>

/* A pipe takes this many pieces. The kernel may lose bytes of a record that needs more than are
 * free. */
#define PIPE_SLOTS_MIN 16
/* As many as the mover's buffer has pages, if the kernel allows it. */
#define PIPE_SLOTS     32

struct pipes;

struct pipe {
	int read_fd, write_fd;
	struct pipes *of;
	struct pipe *next; /* while nobody has it */
};

/* All zero except `max` is a pool without a pipe. */
struct pipes {
	struct pipe *idle; /* empty ones */
	unsigned open;     /* idle ones and those that flows have */
	unsigned max;
};

/* An empty pipe. NULL: all are in use, or the kernel gives no more of a useful size. */
struct pipe *pipes_take(struct pipes *p);

/* Back to its pool. It must be empty. */
void pipe_give(struct pipe *pipe);

/* Closes a pipe with whatever is in it. */
void pipe_drop(struct pipe *pipe);

/* Closes all pipes. No flow has one. */
void pipes_fini(struct pipes *p);
