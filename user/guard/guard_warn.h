/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what is said about a guard that works, but not as somebody may expect. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "guard/guard_interface.h"

/*
 * Listeners on all addresses, and an interface that is a port of a bridge: packets that the bridge
 * forwards to other machines are judged as well.
 */
void guard_warn_ports(const struct guard_interface *on, size_t count, const struct conf *conf);

/* guard-over: cookie, and the kernel makes no SYN cookies for XDP. can_cookie: it knows how. */
void guard_warn_cookies(const struct conf_guard *conf, bool can_cookie);

/* Listeners of conf on interfaces that the guard is not on. */
void guard_warn_missing(const struct guard_interface *on, size_t count, const struct conf *conf,
			const struct ifaddrs *have);
