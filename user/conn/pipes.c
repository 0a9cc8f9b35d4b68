/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker's pipes. See pipes.h. */
#include "conn/pipes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

#ifdef KEDGE_CHECKS
#include <stdbool.h>
#include <sys/ioctl.h>

/* What is left in a pipe would go to another client. */
static void empty_check(const struct pipe *pipe)
{
	int left = 0;

	CHECK(pipe, ioctl(pipe->read_fd, FIONREAD, &left) == 0 && left == 0);
	CHECK(pipe, pipe->of->open && pipe->of->open <= pipe->of->max);
}
#endif

static void pipe_close(struct pipe *pipe)
{
	close(pipe->read_fd);
	close(pipe->write_fd);
	pipe->of->open--;
	free(pipe);
}

static struct pipe *pipe_new(struct pipes *p)
{
	const long page = sysconf(_SC_PAGESIZE);
	struct pipe *pipe = p->open < p->max ? malloc(sizeof(*pipe)) : NULL;
	int fds[2];

	if (!pipe)
		return NULL;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		free(pipe);
		return NULL;
	}
	*pipe = (struct pipe){.read_fd = fds[0], .write_fd = fds[1], .of = p};
	p->open++;
	/* A user who has many pipes cannot widen them, and gets small ones at last
	 * (fs.pipe-user-pages-soft). */
	if (fcntl(pipe->write_fd, F_SETPIPE_SZ, PIPE_SLOTS * page) >= 0 ||
	    fcntl(pipe->write_fd, F_GETPIPE_SZ) >= PIPE_SLOTS_MIN * page)
		return pipe;
	pipe_close(pipe);
	return NULL;
}

struct pipe *pipes_take(struct pipes *p)
{
	struct pipe *pipe = p->idle;

	if (!pipe)
		return pipe_new(p);
	p->idle = pipe->next;
	return pipe;
}

void pipe_give(struct pipe *pipe)
{
	CHECKED(empty_check(pipe));
	pipe->next = pipe->of->idle;
	pipe->of->idle = pipe;
}

void pipe_drop(struct pipe *pipe)
{
	pipe_close(pipe);
}

void pipes_fini(struct pipes *p)
{
	while (p->idle) {
		struct pipe *pipe = p->idle;

		p->idle = pipe->next;
		pipe_close(pipe);
	}
}
