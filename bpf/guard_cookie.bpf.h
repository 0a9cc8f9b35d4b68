/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * BPF only: answers a SYN over a limit with a SYN cookie. The SYN's own frame becomes the SYN-ACK.
 * The cookie is the listening socket's, so the kernel checks the returning ACK as if it had
 * answered itself.
 *
 * Frame and TCP header keep their lengths, because a program under a dispatcher must not resize a
 * frame. Of the options the answer has the segment size only, if the SYN had any options. So the
 * connection has no timestamps, no window scaling and no selective acknowledgments. The kernel
 * assumes the same of such a cookie.
 */
#pragma once

#include "guard_parse.bpf.h"
#include "guard_socket.bpf.h"

#define GUARD_TCP_BYTES_MAX 60
#define GUARD_WINDOW        64240 /* until the kernel's first own packet */
#define GUARD_HOPS          64
#define GUARD_MSS_IPV4      1460
#define GUARD_MSS_IPV6      1440

/*
 * Set before the load if the kernel has bpf_tcp_gen_syncookie(). Otherwise the verifier skips the
 * code that needs it.
 */
const volatile bool guard_can_cookie = false;

struct guard_tcp_header {
	struct tcphdr fixed;
	__u8 options[GUARD_TCP_BYTES_MAX - sizeof(struct tcphdr)];
};

static __always_inline __u16 guard_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/*
 * The cookie, and in the upper half the segment size for the answer. Negative if the kernel makes
 * no cookie.
 */
static __always_inline __s64 guard_make_cookie(struct xdp_md *ctx, const struct guard_packet *p,
					       struct guard_tcp_header *tcp, __u32 length)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	void *ip = data + (p->l3 & 31);
	struct bpf_sock *sk;
	__s64 cookie = -1;

	sk = guard_lookup(ctx, p);
	if (!sk)
		return -1;
	if (sk->state == BPF_TCP_LISTEN) {
		if (p->version == 4 && ip + sizeof(struct iphdr) <= end)
			cookie = bpf_tcp_gen_syncookie(sk, ip, sizeof(struct iphdr), &tcp->fixed,
						       length);
		else if (p->version == 6 && ip + sizeof(struct ipv6hdr) <= end)
			cookie = bpf_tcp_gen_syncookie(sk, ip, sizeof(struct ipv6hdr), &tcp->fixed,
						       length);
	}
	bpf_sk_release(sk);
	return cookie;
}

/*
 * Turns the SYN's header into the SYN-ACK's. Options behind the segment size become end-of-list.
 */
static __always_inline void guard_write_tcp(struct guard_tcp_header *tcp,
					    const struct guard_packet *p, __s64 cookie,
					    __u32 length)
{
	__u32 most = p->version == 4 ? GUARD_MSS_IPV4 : GUARD_MSS_IPV6;
	__u32 mss = (__u64)cookie >> 32;
	__u32 pseudo[2] = {bpf_htonl(length), bpf_htonl(IPPROTO_TCP)};
	__s64 sum;

	mss = mss < most ? mss : most;
	tcp->fixed.source = p->to.port;
	tcp->fixed.dest = p->from_port;
	tcp->fixed.ack_seq = bpf_htonl(bpf_ntohl(tcp->fixed.seq) + 1);
	tcp->fixed.seq = bpf_htonl((__u32)cookie);
	((__u8 *)&tcp->fixed)[12] = length / 4 << 4;
	((__u8 *)&tcp->fixed)[13] = 0x12; /* SYN, ACK */
	tcp->fixed.window = bpf_htons(GUARD_WINDOW);
	tcp->fixed.check = 0;
	tcp->fixed.urg_ptr = 0;
	__builtin_memset(tcp->options, 0, sizeof(tcp->options));
	*(__u32 *)tcp->options = bpf_htonl(2 << 24 | 4 << 16 | mss);
	/* The prefix of a v4-mapped address does not change this sum. */
	sum = bpf_csum_diff(NULL, 0, (__be32 *)p->from, 16, 0);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)p->to.ip, 16, sum);
	sum = bpf_csum_diff(NULL, 0, pseudo, sizeof(pseudo), sum);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)tcp, length, sum);
	tcp->fixed.check = guard_fold(sum);
}

static __always_inline bool guard_turn_ipv4(struct iphdr *ip, void *end, __u32 length)
{
	__be32 to;

	if ((void *)(ip + 1) > end)
		return false;
	to = ip->daddr;
	ip->daddr = ip->saddr;
	ip->saddr = to;
	ip->tos = 0;
	ip->tot_len = bpf_htons(sizeof(*ip) + length);
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000); /* not to be fragmented */
	ip->ttl = GUARD_HOPS;
	ip->check = 0;
	ip->check = guard_fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0));
	return true;
}

static __always_inline bool guard_turn_ipv6(struct ipv6hdr *ip, void *end, __u32 length)
{
	struct in6_addr to;

	if ((void *)(ip + 1) > end)
		return false;
	to = ip->daddr;
	ip->daddr = ip->saddr;
	ip->saddr = to;
	*(__be32 *)ip = bpf_htonl(6u << 28);
	ip->payload_len = bpf_htons(length);
	ip->hop_limit = GUARD_HOPS;
	return true;
}

/* Sends the frame's headers back where they came from. */
static __always_inline bool guard_turn(struct xdp_md *ctx, const struct guard_packet *p,
				       __u32 length)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	void *ip = data + (p->l3 & 31);
	struct ethhdr *eth = data;
	__u8 to[ETH_ALEN];

	if ((void *)(eth + 1) > end)
		return false;
	if (!(p->version == 4 ? guard_turn_ipv4(ip, end, length)
			      : guard_turn_ipv6(ip, end, length)))
		return false;
	__builtin_memcpy(to, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, to, ETH_ALEN);
	return true;
}

/*
 * 1 if the frame is now the answer. 0 if there is none: the SYN came in fragments or with IP
 * options, nobody listens, or net.ipv4.tcp_syncookies is not 2. Not inlined and not static, so that
 * the verifier checks it separately.
 */
__attribute__((noinline)) int guard_answer(struct xdp_md *ctx, const struct guard_packet *p)
{
	struct guard_tcp_header tcp = {0};
	__s64 cookie;
	__u32 length;

	if (!guard_can_cookie || !p || !p->plain || p->first)
		return 0;
	length = p->tcp_bytes;
	if (length < sizeof(tcp.fixed) || length > sizeof(tcp) ||
	    bpf_xdp_load_bytes(ctx, p->l4, &tcp, length))
		return 0;
	cookie = guard_make_cookie(ctx, p, &tcp, length);
	if (cookie < 0)
		return 0;
	guard_write_tcp(&tcp, p, cookie, length);
	if (bpf_xdp_store_bytes(ctx, p->l4, &tcp, length))
		return 0;
	return guard_turn(ctx, p, length);
}
