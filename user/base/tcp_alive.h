/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what TCP does to find out that a peer has vanished without a word: keepalive probes
 * while nothing is sent, and a limit of its own for what is sent and not acknowledged.
 */
#pragma once

#include <stdint.h>

#include "base/addr.h"

/* Unanswered probes, a quarter of the idle time apart: in all it takes twice the idle time. */
#define TCP_ALIVE_PROBES 4

struct tcp_alive {
	uint32_t keepalive_s;     /* idle time before the first probe; 0: none */
	uint32_t user_timeout_ms; /* 0: the kernel's own limit */
};

/*
 * A listening socket: those that are accepted from now on inherit it, at no cost. May be called
 * again with other values.
 */
void tcp_alive_listener(int fd, const struct tcp_alive *alive);

/*
 * A new socket that will connect to this peer. On loopback, and for a unix socket, this does
 * nothing: the kernel knows itself what becomes of such a peer.
 */
void tcp_alive_towards(int fd, const union addr *peer, const struct tcp_alive *alive);
