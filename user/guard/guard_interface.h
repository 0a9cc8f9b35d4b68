/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: which interfaces the guard has to be on. */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

struct guard_interface {
	unsigned index; /* 0: not asked for yet */
	char name[IF_NAMESIZE];
	enum guard_mode mode; /* of the program there: GUARD_NATIVE or GUARD_GENERIC */
	bool chained;         /* by libxdp's dispatcher: other programs may be there as well */
};

/* What the machine's interfaces and their addresses were at one time. Owned; see getifaddrs(3). */
struct ifaddrs;

/*
 * Those that the configuration names, or, for all-listeners, those that carry the listeners'
 * addresses: for one that listens on all of them each interface that is up and has an address,
 * loopback left out.
 *
 * Nothing is asked of the kernel: index is 0. 0 with an array that the caller frees, or -errno with
 * why[] of `size`.
 */
int guard_interfaces_find(struct guard_interface **out, size_t *count, const struct conf *conf,
			  const struct ifaddrs *have, char *why, size_t size);
