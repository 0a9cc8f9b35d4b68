/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections to oneself. See loopback_pair.h. */
#include "base/loopback_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define BACKLOG 16

int loopback_listen(union addr *out)
{
	union addr addr = {
		.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
	_cleanup_(close_fdp)
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(addr);

	if (fd < 0 || bind(fd, &addr.sa, sizeof(addr.in)) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, &addr.sa, &len) < 0)
		return -errno;
	*out = addr;
	return take_fd(fd);
}

/* Waits for the next connection until then. 0 or -errno. */
static int wait_readable(int fd, uint64_t until_ms)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	int64_t left = (int64_t)(until_ms - monotonic_ms());
	int n = poll(&ready, 1, left > 0 ? (int)left : 0);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n ? 0 : -ETIMEDOUT;
}

/* This connection ended before accept(2), or a signal came: the next one may be ours. */
static bool concerns_one(int err)
{
	return err == EAGAIN || err == EINTR || err == ECONNABORTED;
}

int loopback_accept(int listener, int near, const union addr *alias, union addr *peer, int flags)
{
	const uint64_t until_ms = monotonic_ms() + LOOPBACK_PATIENCE_MS;
	union addr own = {0};
	socklen_t len = sizeof(own);

	if (getsockname(near, &own.sa, &len) < 0)
		return -errno;
	for (int tries = 0; tries < LOOPBACK_TRIES_MAX; tries++) {
		union addr from = {0};
		int fd, err = wait_readable(listener, until_ms);

		if (err)
			return err;
		len = sizeof(from);
		fd = accept4(listener, &from.sa, &len, SOCK_CLOEXEC | flags);
		if (fd < 0 && concerns_one(errno))
			continue;
		if (fd < 0)
			return -errno;
		if (addr_equal(&from, &own) || (alias && addr_equal(&from, alias))) {
			if (peer)
				*peer = from;
			return fd;
		}
		close(fd);
	}
	return -EADDRINUSE;
}

/* The connection is made; from here on the socket blocks. */
static int block(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ? -errno : 0;
}

int loopback_pair(int fds[2])
{
	union addr addr;
	_cleanup_(close_fdp)
	int listener = loopback_listen(&addr);
	_cleanup_(close_fdp)
	int near = -1;
	int far, err;

	if (listener < 0)
		return listener;
	/* A queue full of strangers would keep a blocking connect(2) for minutes. */
	near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (near < 0)
		return -errno;
	if (connect(near, &addr.sa, sizeof(addr.in)) < 0 && errno != EINPROGRESS)
		return -errno;
	err = block(near);
	if (err)
		return err;
	far = loopback_accept(listener, near, NULL, NULL, 0);
	if (far < 0)
		return far;
	fds[0] = take_fd(near);
	fds[1] = far;
	return 0;
}
