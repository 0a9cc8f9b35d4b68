/* Opens the app leg. See app.h. */
#include "app.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

int app_socket(const union addr *app)
{
	int fd = socket(app->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
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
