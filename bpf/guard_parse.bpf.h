/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * BPF only: finds the addresses, the ports and the TCP header of a frame. Judges nothing and uses
 * no map.
 *
 * Reads no further than both the frame and the IP header allow: bytes behind the IP length are
 * padding, and the sender chooses them.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ip.bpf.h"
#include "kedge/guard.h"

#define GUARD_TAGS_MAX       2 /* 802.1Q in 802.1ad; a frame with more is left alone */
/*
 * The largest offset of a TCP header: more than any link's frame, less than the verifier's limit.
 */
#define GUARD_OFFSET_MAX     0xf000
/*
 * The kernel follows a chain of extension headers of any length. With a shorter limit here, a long
 * chain would get past the guard.
 */
#define GUARD_EXTENSIONS_MAX (GUARD_OFFSET_MAX / 8)

enum guard_kind {
	GUARD_OTHER, /* not TCP, or cut off before its ports */
	GUARD_TCP,   /* addresses and ports are known */
	GUARD_LATER, /* a later fragment: addresses only */
};

struct guard_packet {
	struct kedge_guard_address to; /* without the side */
	__u8 from[16];
	__u16 from_port;    /* network order */
	__u8 version;       /* 4 or 6 */
	bool first;         /* first fragment of several */
	bool plain;         /* no IP options or extension headers */
	__u32 l3, l4;       /* where the IP and the TCP header begin, bytes */
	__u32 tcp_bytes;    /* of the TCP header, as it says */
	__u32 left;         /* bytes of the datagram from l4 on, if the frame holds them */
	__u32 id, protocol; /* of fragments; see kedge_guard_datagram */
};

struct guard_tag {
	__be16 tci;
	__be16 protocol;
};

/* The fixed part of every extension header that may come before TCP. */
struct guard_extension {
	__u8 next;
	__u8 length; /* in 8 bytes, without the first 8 */
	__u8 data[6];
};

/*
 * The protocol in the frame, behind the tags, in network order; 0 if it is cut off. *at: where it
 * begins.
 */
static __always_inline __be16 guard_ethernet(struct xdp_md *ctx, __u32 *at)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	__be16 protocol;

	if ((void *)(eth + 1) > end)
		return 0;
	protocol = eth->h_proto;
	*at = sizeof(*eth);
#pragma unroll
	for (int i = 0; i < GUARD_TAGS_MAX; i++) {
		struct guard_tag *tag = data + *at;

		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > end)
			return 0;
		protocol = tag->protocol;
		*at += sizeof(*tag);
	}
	return protocol;
}

static __always_inline enum guard_kind guard_ipv4(struct xdp_md *ctx, struct guard_packet *p)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + p->l3;
	__u32 header, whole, fragment;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5 ||
	    ip->protocol != IPPROTO_TCP)
		return GUARD_OTHER;
	header = ip->ihl * 4u;
	whole = bpf_ntohs(ip->tot_len);
	fragment = bpf_ntohs(ip->frag_off);
	p->version = 4;
	p->plain = ip->ihl == 5;
	p->l4 = p->l3 + header;
	/* 0 is a segment of more than 64 KiB that the kernel has merged. */
	p->left = !whole ? GUARD_OFFSET_MAX : whole > header ? whole - header : 0;
	p->id = ip->id;
	p->protocol = ip->protocol;
	ip_set_v4((__u32 *)p->from, ip->saddr);
	ip_set_v4((__u32 *)p->to.ip, ip->daddr);
	if (fragment & 0x1fff)
		return GUARD_LATER;
	p->first = fragment & 0x2000;
	return GUARD_TCP;
}

/* A walk along the extension headers of an IPv6 packet. */
struct guard_walk {
	__u32 at, left; /* where the next header begins; bytes of the packet from there on */
	__u32 id;
	__u8 next, protocol; /* next header; that behind the fragment header */
	__u8 first, later;   /* of fragments */
};

/* The callback's argument: it gets no context of its own. */
struct guard_step {
	struct xdp_md *ctx;
	struct guard_walk *walk;
};

static __always_inline bool guard_is_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_FRAGMENT;
}

/*
 * Goes one header further. 1 at the end. If a chain cannot be followed, `next` still names an
 * extension header.
 */
static long guard_step(__u32 index, void *data)
{
	struct guard_step *step = data;
	struct guard_walk *w = step->walk;
	struct guard_extension ext;
	__u32 length;

	if (!guard_is_extension(w->next) || bpf_xdp_load_bytes(step->ctx, w->at, &ext, sizeof(ext)))
		return 1;
	length = w->next == IPPROTO_FRAGMENT ? sizeof(ext) : (ext.length + 1u) * 8;
	/* Segments left: the packet goes on to an address in this header. */
	if (length > w->left || (w->next == IPPROTO_ROUTING && ext.data[1]))
		return 1;
	if (w->next == IPPROTO_FRAGMENT) {
		__builtin_memcpy(&w->id, ext.data + 2, sizeof(w->id));
		w->protocol = ext.next;
		if (ext.data[0] || ext.data[1] & ~7) {
			w->later = 1;
			return 1;
		}
		/* Offset 0 and no more fragments: it is whole. */
		w->first = ext.data[1] & 1;
	}
	w->at += length;
	w->left -= length;
	w->next = ext.next;
	return 0;
}

/* Not inlined and not static, so that the verifier checks it once, separately. */
__attribute__((noinline)) int guard_walk(struct xdp_md *ctx, struct guard_walk *walk)
{
	struct guard_step step = {.ctx = ctx, .walk = walk};

	return walk ? bpf_loop(GUARD_EXTENSIONS_MAX, guard_step, &step, 0) : 0;
}

static __always_inline enum guard_kind guard_ipv6(struct xdp_md *ctx, struct guard_packet *p)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip = data + p->l3;
	struct guard_walk w = {0};

	if ((void *)(ip + 1) > end || ip->version != 6)
		return GUARD_OTHER;
	p->version = 6;
	__builtin_memcpy(p->from, &ip->saddr, 16);
	__builtin_memcpy(p->to.ip, &ip->daddr, 16);
	p->plain = ip->nexthdr == IPPROTO_TCP;
	w.next = ip->nexthdr;
	w.at = p->l3 + sizeof(*ip);
	/* 0 is a jumbogram; the kernel also marks merged segments like this. */
	w.left = ip->payload_len ? bpf_ntohs(ip->payload_len) : GUARD_OFFSET_MAX;
	if (guard_is_extension(w.next))
		guard_walk(ctx, &w);
	p->l4 = w.at;
	p->left = w.left;
	p->id = w.id;
	p->protocol = w.protocol;
	p->first = w.first;
	if (w.later)
		return GUARD_LATER;
	return w.next == IPPROTO_TCP ? GUARD_TCP : GUARD_OTHER;
}

/* The TCP header, if its first `bytes` (at most 20) are there; NULL otherwise. */
static __always_inline struct tcphdr *guard_tcp(struct xdp_md *ctx, const struct guard_packet *p,
						__u32 bytes)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 at = p->l4;

	if (at > GUARD_OFFSET_MAX || p->left < bytes || data + at + bytes > end)
		return NULL;
	return data + at;
}

/* Reads the frame. Writes all of *p unless it returns GUARD_OTHER. */
static __always_inline enum guard_kind guard_parse(struct xdp_md *ctx, struct guard_packet *p)
{
	enum guard_kind kind = GUARD_OTHER;
	struct tcphdr *tcp;

	switch (guard_ethernet(ctx, &p->l3)) {
	case bpf_htons(ETH_P_IP):
		kind = guard_ipv4(ctx, p);
		break;
	case bpf_htons(ETH_P_IPV6):
		kind = guard_ipv6(ctx, p);
		break;
	}
	if (kind != GUARD_TCP)
		return kind;
	tcp = guard_tcp(ctx, p, 4);
	if (!tcp)
		return GUARD_OTHER;
	p->from_port = tcp->source;
	p->to.port = tcp->dest;
	return GUARD_TCP;
}
