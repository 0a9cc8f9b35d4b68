/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The guard: drops packets to kedge's listeners from sources that are not allowed to connect, at
 * the network interface. Off by default. The daemon writes the rules (kedge/guard.h).
 *
 * A packet is dropped only if its destination was found among the listeners. In every other case
 * it passes: it is not TCP, it is truncated, a map is empty, kedge has ended.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "guard_cookie.bpf.h"
#include "guard_maps.bpf.h"
#include "guard_parse.bpf.h"
#include "guard_rate.bpf.h"
#include "guard_socket.bpf.h"
#include "ip.bpf.h"

#define GUARD_AF_INET     2
#define GUARD_AF_INET6    10
#define GUARD_FRAGMENT_NS 1000000000ULL /* how long a refused first fragment is remembered */
#define GUARD_NEW_ROW_NS  100000        /* between two new rows of a core in kdg_guard_refused */

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline bool guard_passes(enum kedge_guard_count count)
{
	return count == KEDGE_GUARD_COUNT_other || count == KEDGE_GUARD_COUNT_allowed ||
	       count == KEDGE_GUARD_COUNT_established || count == KEDGE_GUARD_COUNT_expired;
}

/* The listener that the packet is for. *any: it is one on all addresses. */
static __always_inline struct kedge_guard_listener *guard_listener(const struct guard_packet *p,
								   bool *any)
{
	struct kedge_guard_address key = p->to;
	struct kedge_guard_listener *found;
	__u32 *words = (__u32 *)key.ip;

	*any = false;
	/* No host has such an address. As a key it would match an IPv4 listener. */
	if (p->version == 6 && ip_is_v4((__u32 *)key.ip))
		return NULL;
	found = bpf_map_lookup_elem(&kdg_guard_listener, &key);
	if (found)
		return found;
	*any = true;
	words[0] = 0;
	words[1] = 0;
	words[2] = p->version == 4 ? bpf_htonl(0xffff) : 0;
	words[3] = 0;
	return bpf_map_lookup_elem(&kdg_guard_listener, &key);
}

/*
 * True if this host forwards the packet. A listener on all addresses does not cover packets that
 * only pass through. On a host that forwards nothing the lookup ends at once.
 */
static __always_inline bool guard_forwarded(struct xdp_md *ctx, const struct guard_packet *p)
{
	struct bpf_fib_lookup route = {.ifindex = ctx->ingress_ifindex, .l4_protocol = IPPROTO_TCP};
	long answer;

	if (p->version == 4) {
		route.family = GUARD_AF_INET;
		route.ipv4_src = ((const __u32 *)p->from)[3];
		route.ipv4_dst = ((const __u32 *)p->to.ip)[3];
	} else {
		route.family = GUARD_AF_INET6;
		__builtin_memcpy(route.ipv6_src, p->from, 16);
		__builtin_memcpy(route.ipv6_dst, p->to.ip, 16);
	}
	answer = bpf_fib_lookup(ctx, &route, sizeof(route), 0);
	return answer >= 0 && answer != BPF_FIB_LKUP_RET_NOT_FWDED &&
	       answer != BPF_FIB_LKUP_RET_FWD_DISABLED;
}

static __always_inline bool guard_source_allowed(const struct kedge_guard_listener *listener,
						 const struct guard_packet *p)
{
	struct kedge_guard_prefix key = {
		.prefixlen = 64 + 128, .side = p->to.side, .set = listener->set};

	if (!listener->judge)
		return true;
	/* Forged: the lookup would find the IPv4 source that it pretends to be. */
	if (p->version == 6 && ip_is_v4((__u32 *)p->from))
		return false;
	__builtin_memcpy(key.ip, p->from, 16);
	return bpf_map_lookup_elem(&kdg_guard_allow, &key);
}

/*
 * True if there is a socket that is not a listener: the connection was let in when it began.
 */
static __always_inline bool guard_established(struct xdp_md *ctx, const struct guard_packet *p)
{
	struct bpf_sock *sk = guard_lookup(ctx, p);
	bool found;

	if (!sk)
		return false;
	found = sk->state != BPF_TCP_LISTEN;
	bpf_sk_release(sk);
	return found;
}

/* A packet to a listener whose TCP header is whole. */
static __always_inline enum kedge_guard_count
guard_judge(struct xdp_md *ctx, const struct kedge_guard_config *config,
	    const struct kedge_guard_listener *listener, const struct guard_packet *p,
	    bool connects)
{
	bool allowed = guard_source_allowed(listener, p);

	if (connects)
		return allowed ? guard_rate(config, p) : KEDGE_GUARD_COUNT_stranger;
	if (allowed)
		return KEDGE_GUARD_COUNT_allowed;
	return guard_established(ctx, p) ? KEDGE_GUARD_COUNT_established
					 : KEDGE_GUARD_COUNT_stranger_data;
}

/* A packet whose ports are known. */
static __always_inline enum kedge_guard_count
guard_segment(struct xdp_md *ctx, const struct kedge_guard_config *config, struct guard_packet *p)
{
	const struct kedge_guard_listener *listener;
	enum kedge_guard_count count;
	bool any, connects;
	struct tcphdr *tcp;

	listener = guard_listener(p, &any);
	if (!listener)
		return KEDGE_GUARD_COUNT_other;
	if (config->lease_ns != ~0ULL && config->lease_ns <= bpf_ktime_get_coarse_ns())
		return KEDGE_GUARD_COUNT_expired;
	tcp = guard_tcp(ctx, p, sizeof(*tcp));
	connects = tcp && tcp->syn && !tcp->ack;
	p->tcp_bytes = tcp ? tcp->doff * 4u : 0;
	/* Asked before a token is taken; below, only before a refusal. */
	if (any && connects && guard_forwarded(ctx, p))
		return KEDGE_GUARD_COUNT_other;
	if (!tcp || p->tcp_bytes < sizeof(*tcp) || !guard_tcp(ctx, p, p->tcp_bytes))
		count = p->first ? KEDGE_GUARD_COUNT_fragment_first : KEDGE_GUARD_COUNT_malformed;
	else
		count = guard_judge(ctx, config, listener, p, connects);
	if (any && !connects && !guard_passes(count) && guard_forwarded(ctx, p))
		return KEDGE_GUARD_COUNT_other;
	return count;
}

static __always_inline void guard_datagram(struct kedge_guard_datagram *key,
					   const struct guard_packet *p)
{
	__builtin_memcpy(key->from, p->from, 16);
	__builtin_memcpy(key->to, p->to.ip, 16);
	key->id = p->id;
	key->protocol = p->protocol;
}

/* A later fragment: refused only if the first one of its datagram was refused just now. */
static __always_inline enum kedge_guard_count guard_later(const struct kedge_guard_config *config,
							  const struct guard_packet *p)
{
	struct kedge_guard_datagram key;
	__u64 *when;

	if (!(config->flags & KEDGE_GUARD_FOLLOW))
		return KEDGE_GUARD_COUNT_other;
	guard_datagram(&key, p);
	when = bpf_map_lookup_elem(&kdg_guard_fragment, &key);
	if (!when || bpf_ktime_get_ns() - *when > GUARD_FRAGMENT_NS)
		return KEDGE_GUARD_COUNT_other;
	if (config->lease_ns != ~0ULL && config->lease_ns <= bpf_ktime_get_coarse_ns())
		return KEDGE_GUARD_COUNT_expired;
	return KEDGE_GUARD_COUNT_fragment_later;
}

/*
 * Decides what happens to later fragments. A datagram that passes may have the same id as an
 * earlier one that was refused.
 */
static __always_inline void guard_follow(const struct guard_packet *p, bool passes)
{
	struct kedge_guard_datagram key;
	__u64 now = bpf_ktime_get_ns();

	guard_datagram(&key, p);
	if (passes)
		bpf_map_delete_elem(&kdg_guard_fragment, &key);
	else
		bpf_map_update_elem(&kdg_guard_fragment, &key, &now, BPF_ANY);
}

/* May a source get a new row now? In a flood of new sources, adding rows would cost the most. */
static __always_inline bool guard_may_add(__u64 now)
{
	__u32 only = 0;
	__u64 *last = bpf_map_lookup_elem(&kdg_guard_newest, &only);

	if (!last || now - *last < GUARD_NEW_ROW_NS)
		return false;
	*last = now;
	return true;
}

static __always_inline void guard_remember(const struct guard_packet *p, __u32 reason)
{
	struct kedge_guard_refused *row = bpf_map_lookup_elem(&kdg_guard_refused, p->from);
	__u64 now = bpf_ktime_get_ns();

	if (row) {
		__sync_fetch_and_add(&row->packets, 1);
		row->last_ns = now;
		row->reason = reason;
	} else if (guard_may_add(now)) {
		struct kedge_guard_refused fresh = {.packets = 1, .last_ns = now, .reason = reason};

		bpf_map_update_elem(&kdg_guard_refused, p->from, &fresh, BPF_ANY);
	}
}

static __always_inline bool guard_is_limit(enum kedge_guard_count count)
{
	return count == KEDGE_GUARD_COUNT_rate_source || count == KEDGE_GUARD_COUNT_rate_total;
}

static __always_inline enum kedge_guard_count
guard_count(struct xdp_md *ctx, const struct kedge_guard_config *config, struct guard_packet *p)
{
	p->to.side = config->side;
	switch (guard_parse(ctx, p)) {
	case GUARD_TCP:
		return guard_segment(ctx, config, p);
	case GUARD_LATER:
		return guard_later(config, p);
	default:
		return KEDGE_GUARD_COUNT_other;
	}
}

SEC("xdp")
int kdg_guard(struct xdp_md *ctx)
{
	struct kedge_guard_config *config;
	enum kedge_guard_count count;
	struct guard_packet p = {0};
	__u32 only = 0;
	__u64 *stats;

	config = bpf_map_lookup_elem(&kdg_guard_config, &only);
	stats = bpf_map_lookup_elem(&kdg_guard_stats, &only);
	if (!config || !stats || config->version != KEDGE_GUARD_ABI_VERSION)
		return XDP_PASS;
	count = guard_count(ctx, config, &p);
	if (count >= KEDGE_GUARD_COUNTS)
		return XDP_PASS;
	if (guard_is_limit(count) &&
	    (config->flags & (KEDGE_GUARD_COOKIES | KEDGE_GUARD_OBSERVE)) == KEDGE_GUARD_COOKIES &&
	    guard_answer(ctx, &p)) {
		stats[KEDGE_GUARD_COUNT_cookies]++;
		return XDP_TX;
	}
	stats[count]++;
	if (p.first && config->flags & KEDGE_GUARD_FOLLOW)
		guard_follow(&p, guard_passes(count));
	if (guard_passes(count))
		return XDP_PASS;
	guard_remember(&p, count);
	return config->flags & KEDGE_GUARD_OBSERVE ? XDP_PASS : XDP_DROP;
}
