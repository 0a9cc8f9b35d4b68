/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guard lets only addresses in trust connect to a listener with PROXY prefixes. If no client
 * could be in trust, the listener is useless. That is a mistake at startup, in `kedge check` and in
 * a reload.
 */
#include "config/config_guard.h"

/* trust has a prefix of this family. */
static bool allows_family(const struct conf_cidrs *trust, bool ipv4)
{
	for (size_t i = 0; i < trust->count; i++)
		if (cidr_is_ipv4(&trust->set[i]) == ipv4)
			return true;
	return false;
}

void config_check_guard(const struct conf_guard *guard, const struct conf_listener *l,
			const struct place *at, struct mistakes *m)
{
	bool ipv4 = addr_is_ipv4(&l->addr);

	if (guard->mode == GUARD_OFF || l->proxy == PROXY_PREFIX_OFF ||
	    l->addr.family == AF_UNIX) /* no packet comes to it */
		return;
	if (!l->trust.count)
		mistake(m, at,
			"guard: nobody could connect: give trust, the addresses of the balancers");
	else if (!l->both_families && !allows_family(&l->trust, ipv4))
		mistake(m, at,
			"guard: nobody could connect: trust has no %s prefix, and %s is reached by "
			"no other",
			ipv4 ? "IPv4" : "IPv6", l->name);
}
