/* SPDX-License-Identifier: BSD-2-Clause */
/* Interfaces by name, or by the listeners' addresses. See guard_interface.h. */
#include "guard/guard_interface.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define ALL_LISTENERS "all-listeners"

struct list {
	struct guard_interface *set;
	size_t count;
};

static int add(struct list *list, const char *name)
{
	struct guard_interface *set;

	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->set[i].name, name))
			return 0;
	set = reallocarray(list->set, list->count + 1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	list->set = set;
	set = &list->set[list->count++];
	*set = (struct guard_interface){0};
	snprintf(set->name, sizeof(set->name), "%s", name);
	return 0;
}

static bool is_ip(const struct ifaddrs *at)
{
	return at->ifa_addr &&
	       (at->ifa_addr->sa_family == AF_INET || at->ifa_addr->sa_family == AF_INET6);
}

/* Does traffic to this listener come in through this interface and address? */
static bool carries(const struct ifaddrs *at, const union addr *listener)
{
	uint8_t want[16], have[16];
	union addr addr = {0};

	if (addr_is_wildcard(listener))
		return (at->ifa_flags & (IFF_UP | IFF_LOOPBACK)) == IFF_UP;
	if (addr_is_loopback(listener))
		return at->ifa_flags & IFF_LOOPBACK;
	memcpy(&addr, at->ifa_addr,
	       at->ifa_addr->sa_family == AF_INET ? sizeof(addr.in) : sizeof(addr.in6));
	return addr_ip(want, listener) && addr_ip(have, &addr) && !memcmp(want, have, 16);
}

static int add_of_listener(struct list *list, const struct conf_listener *l,
			   const struct ifaddrs *have, char *why, size_t size)
{
	bool found = false;

	if (l->addr.family != AF_INET && l->addr.family != AF_INET6)
		return 0;
	for (const struct ifaddrs *at = have; at; at = at->ifa_next) {
		if (!is_ip(at) || !carries(at, &l->addr))
			continue;
		found = true;
		if (add(list, at->ifa_name))
			return -ENOMEM;
	}
	if (found)
		return 0;
	snprintf(why, size,
		 "listener %s: no interface has its address: name "
		 "the interfaces in guard-interfaces",
		 l->name);
	return -EADDRNOTAVAIL;
}

static int fill(struct list *list, const struct conf *conf, const struct ifaddrs *have, char *why,
		size_t size)
{
	const struct conf_names *names = &conf->guard.interfaces;
	int err = 0;

	for (size_t i = 0; !err && i < names->count; i++) {
		if (strcmp(names->set[i], ALL_LISTENERS)) {
			err = add(list, names->set[i]);
			continue;
		}
		for (size_t k = 0; !err && k < conf->listeners_count; k++)
			err = add_of_listener(list, &conf->listeners[k], have, why, size);
	}
	if (err == -ENOMEM)
		snprintf(why, size, "out of memory");
	return err;
}

int guard_interfaces_find(struct guard_interface **out, size_t *count, const struct conf *conf,
			  const struct ifaddrs *have, char *why, size_t size)
{
	struct list list = {0};
	int err = fill(&list, conf, have, why, size);

	if (err) {
		free(list.set);
		return err;
	}
	*out = list.set;
	*count = list.count;
	return 0;
}
