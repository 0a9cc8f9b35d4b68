/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* BPF only: the maps of peername.bpf.c. Keys, values and writers are in kedge/abi.h. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "kedge/abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct kedge_client);
} kdg_client SEC(".maps");

/*
 * A row lives from kedge's SYN to the application's ACK. The daemon sets max_entries before the
 * load.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct kedge_tuple);
	__type(value, struct kedge_coming);
} kdg_coming SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct kedge_client);
} kdg_peer SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kedge_peer_stats);
} kdg_peer_stats SEC(".maps");
