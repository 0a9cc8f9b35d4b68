/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * BPF only: the maps of flow.bpf.c. Keys and values are in kedge/abi.h, the guard's maps in
 * guard_maps.bpf.h, those of peername.bpf.c in peername_maps.bpf.h. The daemon sets max_entries of
 * kdg_flow, kdg_note, kdg_text, kdg_pair, kdg_leg, kdg_appleg and kdg_app before the load.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "kedge/abi.h"
#include "kedge/flow.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct kedge_flow);
} kdg_flow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct kedge_note);
} kdg_note SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct kedge_text);
} kdg_text SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, KEDGE_WORKERS_MAX);
	__type(key, __u32);
	__type(value, struct kedge_stats);
} kdg_stats SEC(".maps");

/* A row lives from kedge's end being established to the application's end being established. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct kedge_tuple);
	__type(value, struct kedge_end);
} kdg_pair SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct kedge_end);
} kdg_app SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} kdg_leg SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} kdg_appleg SEC(".maps");

static __always_inline struct kedge_note *note_of(__u32 slot)
{
	return bpf_map_lookup_elem(&kdg_note, &slot);
}

static __always_inline const struct kedge_text *text_of(__u32 slot)
{
	return bpf_map_lookup_elem(&kdg_text, &slot);
}

static __always_inline struct kedge_stats *stats_of(__u32 worker)
{
	return bpf_map_lookup_elem(&kdg_stats, &worker);
}
