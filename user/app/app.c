/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens the app leg. See app.h. */
#include "app/app.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/*
 * The kernel counts the buffer as twice this, and bytes that bypass TCP may fill half of it. They
 * do not make a buffer grow by itself. A response that does not fit goes by TCP in part, which
 * costs a socket under a program time for each page: with a quarter of this, a response of 1 MB
 * took the proxy 1.6 times as long, and all three processes 1.5 times.
 */
#define RCVBUF_BYPASS 1048576

/* Without the right to exceed net.core.rmem_max, the kernel takes what that allows. */
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
	if (app->family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bypass)
		widen(fd);
	return fd;
}

/* Is there a way to it? UDP takes the same route, but no port of TCP. */
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
	/* Linux has this for TCP, too, and there trying again would not help. */
	if (errno == EAGAIN)
		return app->family == AF_UNIX ? -EAGAIN : -ECONNREFUSED;
	/* The kernel says the same if this host has no address of the family. */
	if (errno == EADDRNOTAVAIL)
		return is_reachable(app) ? -EADDRNOTAVAIL : -ENETUNREACH;
	return -errno;
}

/*
 * TCP lets a socket connect to itself. It happens if nobody listens and the port of the application
 * is in net.ipv4.ip_local_port_range, from which the kernel takes source ports.
 */
static bool is_own_peer(int fd, const union addr *app)
{
	union addr near = {0}, far = {0};
	socklen_t near_len = sizeof(near), far_len = sizeof(far);

	if (app->family == AF_UNIX)
		return false;
	/* getpeername(2) runs the programs of the cgroup, and peername's too: so it comes last. */
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
