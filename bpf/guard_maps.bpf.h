/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * BPF only: the maps of guard.bpf.c. kedge/guard.h has their keys and values, and says who writes
 * which.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "kedge/guard.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kedge_guard_config);
} kdg_guard_config SEC(".maps");

/* Has rows of both sides while rules are replaced. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * KEDGE_GUARD_LISTENERS_MAX);
	__type(key, struct kedge_guard_address);
	__type(value, struct kedge_guard_listener);
} kdg_guard_listener SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * KEDGE_GUARD_PREFIXES_MAX);
	__type(key, struct kedge_guard_prefix);
	__type(value, __u8);
} kdg_guard_allow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, KEDGE_GUARD_BUCKETS_MAX);
	__type(key, struct kedge_guard_source);
	__type(value, struct kedge_guard_bucket);
} kdg_guard_bucket SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kedge_guard_bucket);
} kdg_guard_total SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, KEDGE_GUARD_FRAGMENTS_MAX);
	__type(key, struct kedge_guard_datagram);
	__type(value, __u64);
} kdg_guard_fragment SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, KEDGE_GUARD_REFUSED_MAX);
	__type(key, __u8[16]);
	__type(value, struct kedge_guard_refused);
} kdg_guard_refused SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} kdg_guard_newest SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kedge_guard_stats);
} kdg_guard_stats SEC(".maps");
