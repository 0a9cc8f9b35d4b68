/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens listening sockets. See bind.h. */
#include "listen/bind.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "listen/bind_unix.h"

static int socket_for(const struct conf_listener *conf, const union addr *addr, bool shared)
{
	int fd = socket(addr->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, only = !conf->both_families;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
		   sizeof(one)); /* accepted sockets inherit it */
	if (addr->family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if ((shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0) ||
	    bind(fd, &addr->sa, addr_len(addr)) < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

/*
 * SO_REUSEPORT would let us join the listeners of another process of the same user. Binding once
 * without it shows whether the address is free. It also chooses the port if that is 0.
 */
static int reserve(const struct conf_listener *conf, union addr *addr)
{
	socklen_t len = sizeof(*addr);
	_cleanup_(close_fdp)
	int fd = socket_for(conf, addr, false);

	if (fd < 0)
		return fd;
	/* With SO_REUSEADDR on both sockets, bind(2) succeeds and only listen(2) fails. */
	if (listen(fd, 1) < 0 || getsockname(fd, &addr->sa, &len) < 0)
		return -errno;
	return 0;
}

/* The next step for the usual causes. EACCES: bind(2) of a port that not everybody may have. */
static const char *advice(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return " (another process has this port: ss -ltnp)";
	case -EACCES:
		return " (ports below net.ipv4.ip_unprivileged_port_start, 1024, "
		       "need CAP_NET_BIND_SERVICE: start as root with --user NAME, or use a port "
		       "above 1023)";
	case -EADDRNOTAVAIL:
		return " (no interface of this host has the address: ip addr)";
	default:
		return "";
	}
}

static int bind_ip(int *fds, size_t count, const struct conf_listener *conf,
		   char name[ADDR_TEXT_MAX])
{
	union addr addr = conf->addr;
	int err = reserve(conf, &addr);
	size_t n;

	for (n = 0; !err && n < count; n++) {
		fds[n] = socket_for(conf, &addr, true);
		if (fds[n] < 0) {
			err = fds[n];
			fds[n] = -1;
			break;
		}
	}
	for (size_t i = 0; !err && i < count; i++)
		if (listen(fds[i], BIND_BACKLOG) < 0)
			err = -errno;
	if (err) {
		while (n > 0) {
			close(fds[--n]);
			fds[n] = -1;
		}
		return log_err(err, "listener %s: cannot listen%s", conf->name, advice(err));
	}
	addr_format(name, &addr);
	return 0;
}

int bind_shared(int *fds, size_t count, const struct conf_listener *conf, char name[ADDR_TEXT_MAX])
{
	if (conf->addr.family == AF_UNIX) {
		addr_format(name, &conf->addr);
		return bind_unix(fds, count, conf, BIND_BACKLOG);
	}
	return bind_ip(fds, count, conf, name);
}
