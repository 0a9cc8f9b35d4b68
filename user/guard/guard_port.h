/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: which interfaces are ports of another device, such as a bridge or a bond. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * The kind of the device that an interface is a port of: "bridge", "bond", "team", "vrf". Empty if
 * it is no port, or if the kernel does not say. Asks once, through netlink.
 */
#define GUARD_PORT_KIND_SIZE 32
void guard_port_kind(char kind[GUARD_PORT_KIND_SIZE], unsigned ifindex);

/* Does a device of this kind forward packets to other machines? */
bool guard_port_forwards(const char *kind);

/* Does it take all packets of its ports, so that an XDP program belongs on the device? */
bool guard_port_takes_all(const char *kind);

/*
 * Clears IFF_UP of interfaces whose packets such a device takes. They belong to the bridge or the
 * bond, or to machines behind it, so all-listeners does not include them.
 */
struct ifaddrs;
void guard_port_leave_out(struct ifaddrs *have);
