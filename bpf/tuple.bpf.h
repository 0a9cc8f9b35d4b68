/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* BPF only: a connection's tuple, which is the same from both ends. */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ip.bpf.h"
#include "kedge/abi.h"

/*
 * The connection as its accepting end sees it, from either end. False for other families. In
 * sock_ops local_port is in host order, remote_port in network order in the upper half.
 */
static __always_inline bool tuple_of(struct bpf_sock_ops *ops, struct kedge_tuple *t,
				     bool accepting)
{
	__u32 *local = (__u32 *)(accepting ? t->local_ip : t->remote_ip);
	__u32 *remote = (__u32 *)(accepting ? t->remote_ip : t->local_ip);
	__u16 local_port = ops->local_port, remote_port = bpf_ntohl(ops->remote_port);

	t->netns = bpf_get_netns_cookie(ops);
	t->local_port = accepting ? local_port : remote_port;
	t->remote_port = accepting ? remote_port : local_port;
	t->pad = 0;
	switch (ops->family) {
	case 2: /* AF_INET */
		ip_set_v4(local, ops->local_ip4);
		ip_set_v4(remote, ops->remote_ip4);
		return true;
	case 10: /* AF_INET6; v4-mapped addresses need no change */
		local[0] = ops->local_ip6[0];
		local[1] = ops->local_ip6[1];
		local[2] = ops->local_ip6[2];
		local[3] = ops->local_ip6[3];
		remote[0] = ops->remote_ip6[0];
		remote[1] = ops->remote_ip6[1];
		remote[2] = ops->remote_ip6[2];
		remote[3] = ops->remote_ip6[3];
		return true;
	}
	return false;
}
