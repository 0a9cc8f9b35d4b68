/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: which interfaces are ports of another one, so that what they receive is that one's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Of what kind the device is that an interface is a port of: "bridge", "bond", "team", "vrf"; empty
 * when it is a port of none, or the kernel does not say. One question by netlink.
 */
#define GUARD_PORT_KIND_SIZE 32
void guard_port_kind(char kind[GUARD_PORT_KIND_SIZE], unsigned ifindex);

/* Does the other device hand the packets on to machines that are not this one? */
bool guard_port_forwards(const char *kind);

/* Does it take all that the port receives, with an XDP program of its own to see it? */
bool guard_port_takes_all(const char *kind);

/*
 * Clears IFF_UP of those that are such ports. What they receive is for the bridge or the bond, or
 * for somebody behind it, so that all-listeners leaves them out.
 */
struct ifaddrs;
void guard_port_leave_out(struct ifaddrs *have);
