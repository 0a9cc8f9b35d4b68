/* SPDX-License-Identifier: BSD-2-Clause */
/* Loopback connections for tests. See net.h. */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loopback_pair.h"

#define MUST(what)                                                              \
	do {                                                                    \
		if (!(what)) {                                                  \
			fprintf(stderr, "net.c:%d: %s: %m\n", __LINE__, #what); \
			abort();                                                \
		}                                                               \
	} while (0)

uint64_t net_now_ms(void)
{
	return monotonic_ms();
}

static void no_delay(int fd)
{
	int one = 1;

	MUST(!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
}

static int tcp_socket(int bufs)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(fd >= 0);
	no_delay(fd);
	if (bufs) { /* before the handshake, so that the window follows */
		MUST(!setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bufs, sizeof(bufs)));
		MUST(!setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bufs, sizeof(bufs)));
	}
	return fd;
}

static int listen_with(int bufs, uint16_t *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int fd = tcp_socket(bufs);

	MUST(!bind(fd, (struct sockaddr *)&in, sizeof(in)) && !listen(fd, 1024));
	MUST(!getsockname(fd, (struct sockaddr *)&in, &len));
	MUST(!fcntl(fd, F_SETFL, O_NONBLOCK));
	*port = ntohs(in.sin_port);
	return fd;
}

static int connect_with(int bufs, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(port)};
	int fd = tcp_socket(bufs);

	MUST(!connect(fd, (struct sockaddr *)&in, sizeof(in)));
	MUST(!fcntl(fd, F_SETFL, O_NONBLOCK));
	return fd;
}

int net_listen(uint16_t *port)
{
	return listen_with(0, port);
}

int net_connect(uint16_t port)
{
	return connect_with(0, port);
}

int net_accept(int fd)
{
	int new;

	MUST(net_wait(fd, POLLIN, NET_PATIENCE_MS));
	new = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	MUST(new >= 0);
	no_delay(new);
	return new;
}

void net_pair(int *one, int *other, int bufs)
{
	uint16_t port;
	int fd = listen_with(bufs, &port);

	*one = connect_with(bufs, port);
	*other = loopback_accept(fd, *one, NULL, NULL, SOCK_NONBLOCK);
	MUST(*other >= 0);
	no_delay(*other);
	close(fd);
}

bool net_wait(int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	int n;

	do
		n = poll(&p, 1, ms);
	while (n < 0 && errno == EINTR);
	MUST(n >= 0);
	return n > 0;
}

size_t net_queued(int fd)
{
	int n;

	MUST(!ioctl(fd, FIONREAD, &n));
	return (size_t)n;
}

void net_close_reset(int fd)
{
	struct linger now = {.l_onoff = 1};

	MUST(!setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	close(fd);
}
