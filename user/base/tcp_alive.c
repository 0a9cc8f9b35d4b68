/* SPDX-License-Identifier: BSD-2-Clause */
/* Peers that vanish. See tcp_alive.h. */
#include "base/tcp_alive.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

/* Without effect on a socket that is none of TCP. */
static void set(int fd, int level, int name, unsigned value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

static void set_keepalive(int fd, unsigned idle_s)
{
	unsigned every_s = idle_s / TCP_ALIVE_PROBES;

	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, every_s ? every_s : 1);
	set(fd, IPPROTO_TCP, TCP_KEEPCNT, TCP_ALIVE_PROBES);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

void tcp_alive_listener(int fd, const struct tcp_alive *alive)
{
	if (alive->keepalive_s)
		set_keepalive(fd, alive->keepalive_s);
	else
		set(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, alive->user_timeout_ms);
}

void tcp_alive_towards(int fd, const union addr *peer, const struct tcp_alive *alive)
{
	if (peer->family == AF_UNIX || addr_is_loopback(peer))
		return;
	if (alive->keepalive_s)
		set_keepalive(fd, alive->keepalive_s);
	if (alive->user_timeout_ms)
		set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, alive->user_timeout_ms);
}
