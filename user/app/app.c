/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens the app leg. See app.h. */
#include "app/app.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/*
 * What bypasses TCP may fill half of the buffer as the kernel counts it, which is twice this. Such
 * bytes do not make a buffer grow by itself. A response that does not fit goes by TCP in part, and
 * a socket under a program pays for that page by page: at 1 MB the proxy took 1.6 times the time,
 * and all three processes 1.5 times, with a quarter of this.
 */
#define RCVBUF_BYPASS 1048576

/* Without the right to go beyond net.core.rmem_max the kernel takes what that allows. */
static void widen(int fd)
{
	int size = RCVBUF_BYPASS;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

int app_socket(const union addr *app, bool bypass)
{
	int fd = socket(app->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bypass)
		widen(fd);
	return fd;
}

/* UDP takes the same route, but no port of TCP. */
static bool is_reachable(const union addr *app)
{
	_cleanup_(close_fdp)
	int fd = socket(app->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, &app->sa, addr_len(app)) == 0;
}

int app_connect(int fd, const union addr *app)
{
	if (connect(fd, &app->sa, addr_len(app)) == 0 || errno == EINPROGRESS)
		return 0;
	/* The kernel says the same when this host has no address of the family. */
	if (errno == EADDRNOTAVAIL)
		return is_reachable(app) ? -EADDRNOTAVAIL : -ENETUNREACH;
	return -errno;
}

/*
 * TCP lets a socket connect to itself. It happens when nobody listens, and the port of the
 * application is one that the kernel takes for connections on their way out
 * (net.ipv4.ip_local_port_range).
 */
static bool is_own_peer(int fd, const union addr *app)
{
	union addr near = {0}, far = {0};
	socklen_t near_len = sizeof(near), far_len = sizeof(far);

	/* getpeername(2) runs the programs of the cgroup, peername's among them: only where it
	 * counts. */
	return getsockname(fd, &near.sa, &near_len) == 0 && addr_port(&near) == addr_port(app) &&
	       getpeername(fd, &far.sa, &far_len) == 0 && addr_equal(&near, &far);
}

int app_connected(int fd, const union addr *app)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return err || !is_own_peer(fd, app) ? -err : -ECONNREFUSED;
}
