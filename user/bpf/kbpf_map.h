/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: helpers for maps of all BPF objects. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct bpf_map;

/*
 * Maps the values of an array with BPF_F_MMAPABLE into memory, readable and writable. The caller
 * unmaps *size bytes. NULL with errno on failure.
 */
void *kbpf_map_values(const struct bpf_map *map, size_t *size);

/*
 * Can the map's entries be changed with the capabilities that are effective now? Tries to delete
 * `absent`, a key that is never in the map.
 */
bool kbpf_map_may_change(const struct bpf_map *map, const void *absent);
