/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses on a host without IPv6. See config_family.h. */
#include "config/config_family.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

static bool has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno != EAFNOSUPPORT;
	close(fd);
	return true;
}

static bool cannot(const union addr *a)
{
	return a->family == AF_INET6 && !has_ipv6();
}

/* "[::]:PORT" to "0.0.0.0:PORT". */
static void any_ipv4(union addr *a)
{
	*a = (union addr){.in = {.sin_family = AF_INET, .sin_port = a->in6.sin6_port}};
}

void config_listener_family(struct conf_listener *l, const struct place *at)
{
	if (!cannot(&l->addr))
		return;
	if (!l->both_families) {
		config_warn(at,
			    "this host has no IPv6: nobody can listen at %s "
			    "(0.0.0.0:%u is all of IPv4)",
			    l->name, addr_port(&l->addr));
		return;
	}
	any_ipv4(&l->addr);
	l->both_families = false;
	addr_format(l->name, &l->addr);
	log_info("listener %s: this host has no IPv6: IPv4 only", l->name);
}

void config_metrics_family(struct conf *conf)
{
	char name[ADDR_TEXT_MAX];

	if (!cannot(&conf->metrics))
		return;
	addr_format(name, &conf->metrics);
	if (!addr_is_wildcard(&conf->metrics)) {
		log_warn("metrics %s: this host has no IPv6: nobody can listen there", name);
		return;
	}
	any_ipv4(&conf->metrics);
	addr_format(name, &conf->metrics);
	log_info("metrics %s: this host has no IPv6: IPv4 only", name);
}

void config_server_family(const struct conf_server *s, const struct place *at)
{
	if (cannot(&s->addr))
		config_warn(at, "this host has no IPv6: %s cannot be reached", s->name);
}
