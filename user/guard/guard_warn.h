/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: warnings about a guard that works, but perhaps not as expected. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "guard/guard_interface.h"

/*
 * Warns if a listener is on all addresses and an interface is a port of a bridge: the guard then
 * judges packets that the bridge forwards to other machines, too.
 */
void guard_warn_ports(const struct guard_interface *on, size_t count, const struct conf *conf);

/* Warns if guard-over is cookie and there are none. can_cookie: this kernel has the helper. */
void guard_warn_cookies(const struct conf_guard *conf, bool can_cookie);

/* Warns of interfaces that conf asks for and that the guard is not on. */
void guard_warn_missing(const struct guard_interface *on, size_t count, const struct conf *conf,
			const struct ifaddrs *have);
