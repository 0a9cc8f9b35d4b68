/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: destructors on locals. A value that leaves its scope is moved out with take_fd() or
 * take_ptr(). -1 means "not open".
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void close_fdp(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* Moves a descriptor out of its owner, which then holds none. */
static inline int take_fd_(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}
#define take_fd(fd) take_fd_(&(fd))

/* Moves a pointer out of its owner, which then holds NULL. */
#define take_ptr(ptr)                           \
	({                                      \
		__typeof__(ptr) taken_ = (ptr); \
		(ptr) = NULL;                   \
		taken_;                         \
	})
