/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * BPF only: limits new connections per second. A bucket holds `burst` tokens and is filled at
 * `rate` a second. It is stored as the time when it is full again: one word, so that a core takes a
 * token with one exchange and no lock.
 *
 * Looking and taking are two steps. Several cores may find the last token at the same moment, and
 * all of them take it. The bucket is then full that much later. So a burst may be too large by the
 * number of other cores, but the rate holds in the long run.
 */
#pragma once

#include "guard_maps.bpf.h"
#include "guard_parse.bpf.h"

#define GUARD_SECOND_NS 1000000000ULL
#define GUARD_TRIES_MAX 3

/* Nanoseconds for one token. */
static __always_inline __u64 guard_interval(__u64 rate)
{
	return GUARD_SECOND_NS / rate;
}

static __always_inline bool guard_has_token(const struct kedge_guard_bucket *b, __u64 now,
					    __u64 rate, __u64 burst)
{
	__u64 full = *(const volatile __u64 *)&b->full_ns;
	__u64 interval = guard_interval(rate);

	return burst && (full <= now || full - now <= (burst - 1) * interval);
}

static __always_inline void guard_take_token(struct kedge_guard_bucket *b, __u64 now, __u64 rate)
{
	__u64 interval = guard_interval(rate);

#pragma unroll
	for (int i = 0; i < GUARD_TRIES_MAX; i++) {
		__u64 full = *(volatile __u64 *)&b->full_ns;
		__u64 next = (full > now ? full : now) + interval;

		if (__sync_val_compare_and_swap(&b->full_ns, full, next) == full)
			return;
	}
	/* Other cores have just brought it up to their present time, which is as good as ours. */
	__sync_fetch_and_add(&b->full_ns, interval);
}

/* Clears all bits of ip[] behind the first `bits`, 0..128. */
static __always_inline void guard_mask(__u8 ip[16], __u32 bits)
{
	__u32 *words = (__u32 *)ip;

#pragma unroll
	for (__u32 i = 0; i < 4; i++) {
		__u32 keep = bits > i * 32 ? bits - i * 32 : 0;

		if (keep < 32)
			words[i] &= keep ? bpf_htonl(~0u << (32 - keep)) : 0;
	}
}

/* The bucket of the packet's source, made if missing. NULL when there is no memory. */
static __always_inline struct kedge_guard_bucket *
guard_source_bucket(const struct kedge_guard_config *config, const struct guard_packet *p)
{
	struct kedge_guard_bucket *found, fresh = {0};
	struct kedge_guard_source key;

	__builtin_memcpy(key.ip, p->from, 16);
	guard_mask(key.ip, p->version == 4 ? 96 + config->source_bits_v4 : config->source_bits_v6);
	found = bpf_map_lookup_elem(&kdg_guard_bucket, &key);
	if (found)
		return found;
	/* Another core may have been first: then its bucket is used. */
	bpf_map_update_elem(&kdg_guard_bucket, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&kdg_guard_bucket, &key);
}

/*
 * Takes a token for a new connection from both buckets, or from neither. Returns `allowed`, or the
 * limit that is exceeded.
 */
static __always_inline enum kedge_guard_count guard_rate(const struct kedge_guard_config *config,
							 const struct guard_packet *p)
{
	struct kedge_guard_bucket *source = NULL, *total = NULL;
	__u64 now = bpf_ktime_get_ns();
	__u32 only = 0;

	if (config->source_rate)
		source = guard_source_bucket(config, p);
	if (source && !guard_has_token(source, now, config->source_rate, config->source_burst))
		return KEDGE_GUARD_COUNT_rate_source;
	if (config->total_rate)
		total = bpf_map_lookup_elem(&kdg_guard_total, &only);
	if (total && !guard_has_token(total, now, config->total_rate, config->total_burst))
		return KEDGE_GUARD_COUNT_rate_total;
	if (source)
		guard_take_token(source, now, config->source_rate);
	if (total)
		guard_take_token(total, now, config->total_rate);
	return KEDGE_GUARD_COUNT_allowed;
}
