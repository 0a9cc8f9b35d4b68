/* SPDX-License-Identifier: BSD-2-Clause */
/* Warnings about bridges, cookies and interfaces. See guard_warn.h. */
#include "guard/guard_warn.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "bpf/kbpf_host.h"
#include "guard/guard_port.h"

#define SYNCOOKIES        "/proc/sys/net/ipv4/tcp_syncookies"
#define SYNCOOKIES_ALWAYS 2

/* A bridge sends packets to other machines, and no routing table shows it. */
void guard_warn_ports(const struct guard_interface *on, size_t count, const struct conf *conf)
{
	bool everywhere = false;
	char kind[GUARD_PORT_KIND_SIZE];

	for (size_t i = 0; i < conf->listeners_count; i++)
		everywhere |= addr_is_wildcard(&conf->listeners[i].addr);
	for (size_t i = 0; everywhere && i < count; i++) {
		guard_port_kind(kind, on[i].index);
		if (guard_port_forwards(kind))
			log_warn(
				"guard: interface %s is a port of a bridge: "
				"packets to others behind "
				"it are judged too where they are for a port of kedge's: let kedge "
				"listen on its own addresses",
				on[i].name);
	}
}

/* The kernel makes a cookie for XDP only if it is told to make them always. */
void guard_warn_cookies(const struct conf_guard *conf, bool can_cookie)
{
	_cleanup_(fclosep)
	FILE *f = conf->cookies ? fopen(SYNCOOKIES, "re") : NULL;
	int mode = -1;

	if (!conf->cookies)
		return;
	if (!can_cookie)
		log_warn("guard-over: cookie: this kernel makes none for XDP: dropping instead");
	else if (!f || fscanf(f, "%d", &mode) != 1 || mode != SYNCOOKIES_ALWAYS)
		log_warn("guard-over: cookie: dropping instead until sysctl "
			 "net.ipv4.tcp_syncookies=2 (it is %d)",
			 mode);
}

void guard_warn_missing(const struct guard_interface *on, size_t count, const struct conf *conf,
			const struct ifaddrs *have)
{
	_cleanup_(freep)
	struct guard_interface *wanted = NULL;
	size_t wanted_count = 0;
	char why[KBPF_WHY_SIZE] = "";

	if (guard_interfaces_find(&wanted, &wanted_count, conf, have, why, sizeof(why)) < 0)
		log_warn("guard: %s", why);
	for (size_t i = 0; i < wanted_count; i++) {
		bool there = false;

		for (size_t k = 0; k < count; k++)
			there |= !strcmp(wanted[i].name, on[k].name);
		if (!there)
			log_warn("guard: interface %s: it is not there before a restart",
				 wanted[i].name);
	}
}
