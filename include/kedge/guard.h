/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: the keys and values of the maps that guard.bpf.c and the daemon share. A change of
 * layout bumps KEDGE_GUARD_ABI_VERSION and gets a line in docs/bpf-abi.md. The maps are declared in
 * bpf/guard_maps.bpf.h.
 *
 *   map                 kind           key                   value                 written by
 *   kdg_guard_config    array          0                     kedge_guard_config    daemon
 *   kdg_guard_listener  hash           kedge_guard_address   kedge_guard_listener  daemon
 *   kdg_guard_allow     LPM trie       kedge_guard_prefix    __u8 (1)              daemon
 *   kdg_guard_bucket    LRU hash       kedge_guard_source    kedge_guard_bucket    BPF
 *   kdg_guard_total     array          0                     kedge_guard_bucket    BPF
 *   kdg_guard_fragment  LRU hash       kedge_guard_datagram  __u64, when (ns)      BPF
 *   kdg_guard_refused   LRU hash       16 bytes of address   kedge_guard_refused   BPF
 *   kdg_guard_newest    per-CPU array  0                     __u64, when (ns)      BPF
 *   kdg_guard_stats     per-CPU array  0                     kedge_guard_stats     BPF
 *
 * Addresses are 16 bytes in network order, IPv4 as v4-mapped. Ports are in network order here, as
 * in a packet.
 *
 * Rules are replaced as a whole. The rules in force have the side that config.side names (0 or 1).
 * The daemon writes new rules with the other side, changes config.side with one store, and deletes
 * the old rules. So there is no moment without rules.
 */
#pragma once

#include <linux/types.h>

#define KEDGE_GUARD_ABI_VERSION 1

#define KEDGE_GUARD_LISTENERS_MAX 256  /* of one side */
#define KEDGE_GUARD_PREFIXES_MAX  8192 /* of one side */
#define KEDGE_GUARD_BUCKETS_MAX   65536
#define KEDGE_GUARD_REFUSED_MAX   4096
#define KEDGE_GUARD_FRAGMENTS_MAX 4096

enum kedge_guard_flag {
	KEDGE_GUARD_OBSERVE = 1, /* judge and count, drop nothing, answer nothing */
	/* Over a limit: answer with a SYN cookie instead of dropping. */
	KEDGE_GUARD_COOKIES = 2,
	/* Drop later fragments of a dropped first one. Otherwise all of them pass. */
	KEDGE_GUARD_FOLLOW = 4,
};

/*
 * The row of kdg_guard_config. Aligned words, each written with one store while packets are judged.
 */
struct kedge_guard_config {
	__u32 version; /* KEDGE_GUARD_ABI_VERSION; anything else: every packet passes, uncounted */
	__u32 side;    /* of the rules in force: 0 or 1 */
	__u32 flags;   /* enum kedge_guard_flag */
	__u32 pad;
	__u64 lease_ns; /* from this CLOCK_MONOTONIC time on everything passes; ~0: never (keep) */
	/* New connections a second from one source prefix, at most 1e9; 0: any number. */
	__u64 source_rate;
	__u64 source_burst; /* this many at once, 1 to 1e9 */
	__u64 total_rate;   /* the same, of all sources together */
	__u64 total_burst;
	__u32 source_bits_v4; /* length of a source prefix, 0..32 */
	__u32 source_bits_v6; /* 0..128 */
};

/* Where a listener listens. ip: ::ffff:0.0.0.0 for all IPv4 addresses, :: for all IPv6 ones. */
struct kedge_guard_address {
	__u32 side;
	__u16 port; /* network order */
	__u16 pad;
	__u8 ip[16];
};

struct kedge_guard_listener {
	__u32 set; /* its allowed sources: kedge_guard_prefix.set */
	/* 0: any source may connect, since no PROXY prefix is trusted there; limits still hold */
	__u32 judge;
};

/*
 * An allowed source. prefixlen counts from `side` on: 64 plus the bits of the address (64 + 96 + n
 * for IPv4).
 */
struct kedge_guard_prefix {
	__u32 prefixlen;
	__u32 side;
	__u32 set;
	__u8 ip[16];
};

/* The source that a bucket is for: an address with the bits behind the source prefix zero. */
struct kedge_guard_source {
	__u8 ip[16];
};

/* A token bucket, as the time when it is full again if nothing more is taken. BPF only. */
struct kedge_guard_bucket {
	__u64 full_ns; /* bpf_ktime_get_ns() */
};

/* A datagram that comes in fragments. */
struct kedge_guard_datagram {
	__u8 from[16];
	__u8 to[16];
	__u32 id;       /* as in the packet; IPv4: its 16 bits, zero-extended */
	__u32 protocol; /* of its payload; IPv6: next header of the fragment header */
};

/*
 * A source that was refused. Each core adds at most one new source in 100 us (kdg_guard_newest), so
 * that a flood of new sources costs little. A frequent source soon gets its row.
 */
struct kedge_guard_refused {
	__u64 packets;
	__u64 last_ns; /* bpf_ktime_get_ns() */
	__u32 reason;  /* the last: enum kedge_guard_count */
	__u32 pad;
};

/* The counters as numbers, for kedge_guard_refused.reason. */
enum kedge_guard_count {
#define X(name, text) KEDGE_GUARD_COUNT_##name,
#include "guard_stats.def"
#undef X
	KEDGE_GUARD_COUNTS
};

struct kedge_guard_stats {
#define X(name, text) __u64 name;
#include "guard_stats.def"
#undef X
};

_Static_assert(sizeof(struct kedge_guard_config) == 64, "pinned layout");
_Static_assert(sizeof(struct kedge_guard_address) == 24,
	       "pinned layout, no hidden padding in a key");
_Static_assert(sizeof(struct kedge_guard_prefix) == 28,
	       "pinned layout, no hidden padding in a key");
_Static_assert(sizeof(struct kedge_guard_datagram) == 40,
	       "pinned layout, no hidden padding in a key");
