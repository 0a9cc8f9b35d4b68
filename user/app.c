/* Opens the app leg. See app.h. */
#include "app.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/*
 * What bypasses TCP may fill half of the buffer as the kernel counts it, which is twice this. Such
 * bytes do not make a buffer grow by itself. A response that does not fit goes by TCP in part, and a
 * socket under a program pays for that page by page: at 1 MB the proxy took 1.6 times the time, and all
 * three processes 1.5 times, with a quarter of this.
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

int app_connect(int fd, const union addr *app)
{
	if (connect(fd, &app->sa, addr_len(app)) < 0 && errno != EINPROGRESS)
		return -errno;
	return 0;
}

int app_connected(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}
