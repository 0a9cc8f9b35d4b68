/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets passed by the service manager. See activation.h. */
#include "listen/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"

static int look_at(struct passed *p, int fd)
{
	socklen_t len = sizeof(p->addr);
	int one = 1, only = 1;

	*p = (struct passed){.fd = fd};
	if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0 ||
	    getsockname(fd, &p->addr.sa, &len) < 0 ||
	    (p->addr.family != AF_INET && p->addr.family != AF_INET6 && p->addr.family != AF_UNIX))
		return log_error("descriptor %d of the service manager is no listening TCP or unix "
				 "stream socket",
				 fd),
		       -EINVAL;
	len = sizeof(only);
	if (p->addr.family == AF_INET6 &&
	    getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) == 0)
		p->both_families = !only;
	if (p->addr.family != AF_UNIX) /* as in bind.c */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return log_err(errno, "descriptor %d of the service manager", fd);
	return 0;
}

int activation_take(struct activation *a)
{
	int n = sd_listen_fds(1), err = 0;

	*a = (struct activation){0};
	if (n < 0)
		return log_err(n, "LISTEN_FDS cannot be understood");
	a->sockets = calloc((size_t)n + 1, sizeof(*a->sockets));
	if (!a->sockets)
		return log_err(ENOMEM, "LISTEN_FDS");
	for (int i = 0; i < n && !err; i++) {
		err = look_at(&a->sockets[i], SD_LISTEN_FDS_START + i);
		a->count++;
	}
	return err;
}

void activation_close(struct activation *a)
{
	for (size_t i = 0; i < a->count; i++)
		close(a->sockets[i].fd);
	free(a->sockets);
	*a = (struct activation){0};
}

/* The scope of a link-local address is ignored: the socket is bound already. */
static bool bound_to(const struct passed *p, const struct conf_listener *conf)
{
	if (p->addr.family != conf->addr.family || addr_port(&p->addr) != addr_port(&conf->addr))
		return false;
	if (p->addr.family == AF_UNIX)
		return addr_len(&p->addr) == addr_len(&conf->addr) &&
		       !memcmp(&p->addr, &conf->addr, addr_len(&conf->addr));
	if (p->addr.family == AF_INET)
		return p->addr.in.sin_addr.s_addr == conf->addr.in.sin_addr.s_addr;
	return p->both_families == conf->both_families &&
	       IN6_ARE_ADDR_EQUAL(&p->addr.in6.sin6_addr, &conf->addr.in6.sin6_addr);
}

int activation_find(struct activation *a, int *fds, size_t count, const struct conf_listener *conf)
{
	for (size_t i = 0; a && i < a->count; i++) {
		struct passed *p = &a->sockets[i];

		if (!bound_to(p, conf))
			continue;
		p->used = true;
		for (size_t n = 0; n < count; n++) {
			fds[n] = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
			if (fds[n] < 0)
				return log_err(errno, "listener %s", conf->name);
		}
		return 1;
	}
	return 0;
}

void activation_warn_unused(const struct activation *a)
{
	char name[ADDR_TEXT_MAX];

	for (size_t i = 0; i < a->count; i++) {
		if (a->sockets[i].used)
			continue;
		addr_format(name, &a->sockets[i].addr);
		log_warn("descriptor %d of the service manager, bound to %s, belongs to no "
			 "listener: give one this address, or take the socket out of the unit",
			 a->sockets[i].fd, name);
	}
}
