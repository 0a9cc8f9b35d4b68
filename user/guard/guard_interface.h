/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: which interfaces the guard has to be on. */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

struct guard_interface {
	unsigned index; /* 0: not known yet */
	char name[IF_NAMESIZE];
	enum guard_mode mode; /* of the program there: GUARD_NATIVE or GUARD_GENERIC */
	bool chained;         /* called by libxdp's dispatcher, so there may be other programs */
};

/* The machine's interfaces and addresses, from getifaddrs(3). */
struct ifaddrs;

/*
 * Finds the interfaces that the configuration names. all-listeners stands for those that have the
 * listeners' addresses. A listener on all addresses has all interfaces that are up and have an
 * address, except loopback.
 *
 * Only looks at conf and have: index stays 0. 0 with an array that the caller frees; or -errno with
 * why[] of `size`.
 */
int guard_interfaces_find(struct guard_interface **out, size_t *count, const struct conf *conf,
			  const struct ifaddrs *have, char *why, size_t size);
