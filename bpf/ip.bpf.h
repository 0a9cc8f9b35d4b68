/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* BPF only: an IPv4 address as one of IPv6. */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>

/* v4-mapped prefix and address, in network order; words as in the context. */
static __always_inline void ip_set_v4(__u32 ip[4], __u32 v4)
{
	ip[0] = 0;
	ip[1] = 0;
	ip[2] = bpf_htonl(0xffff);
	ip[3] = v4;
}

static __always_inline bool ip_is_v4(const __u32 ip[4])
{
	return !ip[0] && !ip[1] && ip[2] == bpf_htonl(0xffff);
}
