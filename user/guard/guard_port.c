/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks rtnetlink(7) what an interface is a port of. See guard_port.h. */
#include "guard/guard_port.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define ANSWER_BYTES 32768

static const struct rtattr *find(const struct rtattr *at, size_t len, unsigned type)
{
	for (; RTA_OK(at, len); at = RTA_NEXT(at, len))
		if ((at->rta_type & NLA_TYPE_MASK) == type)
			return at;
	return NULL;
}

static const struct rtattr *find_in(const struct rtattr *outer, unsigned type)
{
	return outer ? find(RTA_DATA(outer), RTA_PAYLOAD(outer), type) : NULL;
}

static int ask(int fd, unsigned ifindex)
{
	const struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} question = {
		.head = {.nlmsg_len = sizeof(question),
			 .nlmsg_type = RTM_GETLINK,
			 .nlmsg_flags = NLM_F_REQUEST},
		.link = {.ifi_index = (int)ifindex},
	};

	return send(fd, &question, sizeof(question), 0) == sizeof(question) ? 0 : -1;
}

void guard_port_kind(char kind[GUARD_PORT_KIND_SIZE], unsigned ifindex)
{
	_cleanup_(close_fdp)
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	_cleanup_(freep)
	struct nlmsghdr *answer = malloc(ANSWER_BYTES);
	const struct rtattr *name;
	ssize_t len;

	kind[0] = '\0';
	if (fd < 0 || !answer || ask(fd, ifindex) < 0)
		return;
	len = recv(fd, answer, ANSWER_BYTES, 0);
	if (len < 0 || !NLMSG_OK(answer, (size_t)len) || answer->nlmsg_type != RTM_NEWLINK)
		return;
	name = find(IFLA_RTA(NLMSG_DATA(answer)), IFLA_PAYLOAD(answer), IFLA_LINKINFO);
	name = find_in(name, IFLA_INFO_SLAVE_KIND);
	if (name && RTA_PAYLOAD(name) < GUARD_PORT_KIND_SIZE) {
		memcpy(kind, RTA_DATA(name), RTA_PAYLOAD(name));
		kind[RTA_PAYLOAD(name)] = '\0';
	}
}

bool guard_port_forwards(const char *kind)
{
	return !strcmp(kind, "bridge") || !strcmp(kind, "openvswitch");
}

bool guard_port_takes_all(const char *kind)
{
	return kind[0] && strcmp(kind, "vrf") != 0;
}

void guard_port_leave_out(struct ifaddrs *have)
{
	char kind[GUARD_PORT_KIND_SIZE];

	for (; have; have = have->ifa_next) {
		guard_port_kind(kind, if_nametoindex(have->ifa_name));
		if (guard_port_takes_all(kind))
			have->ifa_flags &= ~(unsigned)IFF_UP;
	}
}
