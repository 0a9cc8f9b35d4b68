/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* BPF only: the socket of a packet, in the network namespace of the device. */
#pragma once

#include "guard_parse.bpf.h"

/* A connection's socket, else a listener's, else NULL. The caller calls bpf_sk_release(). */
static __always_inline struct bpf_sock *guard_lookup(struct xdp_md *ctx,
						     const struct guard_packet *p)
{
	struct bpf_sock_tuple tuple;

	if (p->version == 4) {
		tuple.ipv4.saddr = ((const __u32 *)p->from)[3];
		tuple.ipv4.daddr = ((const __u32 *)p->to.ip)[3];
		tuple.ipv4.sport = p->from_port;
		tuple.ipv4.dport = p->to.port;
		return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, p->from, 16);
	__builtin_memcpy(tuple.ipv6.daddr, p->to.ip, 16);
	tuple.ipv6.sport = p->from_port;
	tuple.ipv6.dport = p->to.port;
	return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}
